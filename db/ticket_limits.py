"""How many tickets of an event one card pays for, and one network address may have, over all bookings; None: any.

Lanes count by the record (db/sql/read_batch.sql), cards at their payment (db/card_limits.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, text

from onsale.db import sale_log
from onsale.db.ids import EventId
from onsale.errors import NotFound

LIMIT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class TicketLimits:
    """The limits of an event beside that per buyer; bookings made before the one of addresses are not counted in it."""

    tickets_per_card: int | None
    tickets_per_address: int | None


def get(connection: Connection, event_id: EventId) -> TicketLimits:
    """The limits in force. NotFound."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    return TicketLimits(*row)


def change(connection: Connection, event_id: EventId, wanted: Mapping[str, int | None], *, actor: str) -> TicketLimits:
    """Change some of them, by name, for what is decided from now on, with a line in the sale log. NotFound."""
    before = get(connection, event_id)
    after = replace(before, **wanted)
    if after != before:
        connection.execute(_SET, {"event_id": event_id, **asdict(after)})
        body = {"from": asdict(before), "to": asdict(after)}
        sale_log.append(connection, event_id, actor=actor, kind="ticket_limits_changed", body=body)
    return after


_GET = text("""
    SELECT tickets_per_card, tickets_per_address FROM events WHERE id = :event_id FOR NO KEY UPDATE
""")
_SET = text("""
    UPDATE events SET tickets_per_card = :tickets_per_card, tickets_per_address = :tickets_per_address
     WHERE id = :event_id
""")
