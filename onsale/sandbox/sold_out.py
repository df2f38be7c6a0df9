"""Sells a whole event to invented buyers by the very functions a real sale uses, without its queue.

Every move, history line and constraint of a sold-out event is genuine. So are its payments: the cards are given here,
and the workers charge them with the provider once they run, as they do for a booking whose wake-up was lost.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from itertools import cycle
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection

from onsale.db import bookings, buyers, charges, house_reading, journal, lane, number_blocks, stats
from onsale.db.allocation import Wish, allocate
from onsale.db.bookings import NewBooking
from onsale.db.house import House
from onsale.db.ids import BOOKING_ID_RANDOM_BYTES, BookingId, BuyerId, EventId, booking_id
from onsale.db.journal import Admission, Checkpoint, Join
from onsale.db.states import BookingState

# How many tickets each buyer takes, in turn.
PARTY_SIZES = (2, 2, 4, 1, 2, 3, 2, 1)
# They were let in ten a second, well below the event's 600 a minute and its burst.
ADMITTED_PER_SECOND = 10
SOLD_AGO = timedelta(minutes=30)
BATCHES_MAX = 1_000
CARD = "pm_card_visa"


class Party(NamedTuple):
    """A buyer of the sold-out event."""

    number: int
    buyer_id: BuyerId
    booking_id: BookingId
    size: int


def sell_everything(connection: Connection, event_id: EventId, *, now: datetime) -> int:
    """Bookings about to be paid, for every ticket of an event that has sold none; returns how many."""
    parties = _parties(event_id, stats.stock(connection, event_id).free)
    _queue_up(connection, event_id, parties, began=now - SOLD_AGO)
    for party in parties:
        buyers.add_guest(connection, party.buyer_id, name=f"Guest {party.number}")
        bookings.accept(connection, _booking(event_id, party))
    _decide(connection, event_id)
    for party in parties:
        charges.new_attempt(connection, party.booking_id, payment_method=CARD)
    return len(parties)


def _parties(event_id: EventId, tickets: int) -> list[Party]:
    parties: list[Party] = []
    for size in cycle(PARTY_SIZES):
        if tickets <= 0:
            break
        fresh = booking_id(event_id, secrets.token_bytes(BOOKING_ID_RANDOM_BYTES))
        parties.append(Party(len(parties) + 1, BuyerId(uuid4()), fresh, min(size, tickets)))
        tickets -= size
    return parties


def _queue_up(connection: Connection, event_id: EventId, parties: list[Party], *, began: datetime) -> None:
    """The queue as its journal tells it: everybody joined at once and was let in at an even pace."""
    last = number_blocks.reserve(connection, event_id, len(parties), at=began).last
    journal.record_joins(connection, event_id, [Join(party.number, party.buyer_id, began) for party in parties])
    runs = range(1, last + 1, ADMITTED_PER_SECOND)
    admissions = [
        Admission(
            seq=seq,
            at=began + timedelta(seconds=seq),
            first=first,
            last=min(first + ADMITTED_PER_SECOND - 1, last),
            return_first=0,
            return_last=0,
            admitted=min(ADMITTED_PER_SECOND, last - first + 1),
        )
        for seq, first in enumerate(runs, start=1)
    ]
    journal.record_admissions(connection, event_id, admissions)
    journal.put_checkpoint(connection, Checkpoint(event_id, last, 0, last, 0, admissions[-1].at))


def _booking(event_id: EventId, party: Party) -> NewBooking:
    return NewBooking(
        id=party.booking_id,
        event_id=event_id,
        buyer_id=party.buyer_id,
        number=party.number,
        state=BookingState.QUEUED,
        # The last party may have to sit apart.
        wishes=(Wish(quantity=party.size), Wish(quantity=party.size, together=False)),
        idempotency_key=f"seed-{party.number}",
        request_hash=bytes(32),
        admission_id=str(party.number),
    )


def _decide(connection: Connection, event_id: EventId) -> None:
    """The lane, without its task."""
    lane.take(connection, event_id)
    house = House({})
    for _ in range(BATCHES_MAX):
        batch = lane.read_batch(connection, event_id)
        if not batch.bookings:
            return
        named = house_reading.prepare_house(connection, event_id, house, batch)
        decisions = allocate(batch.requests, house, named)
        written = lane.write_batch(connection, event_id, decisions, snapshot=batch.snapshot, terms=batch.terms)
        house.wrote(written.changes)
