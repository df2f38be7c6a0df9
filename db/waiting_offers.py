"""Tickets offered to who is next on a waiting list: each offer is a booking, so that the lane, the holds and the sweeps
that every booking has look after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from onsale.db import bookings, sql
from onsale.db.bookings import NewBooking
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.states import BookingState
from onsale.db.waiting_rules import Offer, Round
from onsale.errors import BuyerLimitReached, IdempotencyKeyReused

WINDOWS_MAX = 500


@dataclass(frozen=True, slots=True)
class Opened:
    """An offer whose tickets are held: its claim window runs. `tell`: its buyer asked to be written."""

    booking_id: BookingId
    buyer_id: BuyerId
    tell: bool


def make(
    connection: Connection, event_id: EventId, offer: Offer, booking_id: BookingId, *, round_number: int, seconds: int
) -> bool:
    """Offer the tickets: a booking in the lane under the number of who is next. False when it would pass the limit of
    tickets per buyer.
    """
    key = f"waiting-list-{round_number}"
    new = NewBooking(
        id=booking_id,
        event_id=event_id,
        buyer_id=offer.to.buyer_id,
        number=offer.to.number,
        state=BookingState.QUEUED,
        wishes=offer.wishes,
        idempotency_key=key,
        request_hash=hashlib.sha256(key.encode()).digest(),
    )
    try:
        bookings.accept(connection, new)
    except (BuyerLimitReached, IdempotencyKeyReused):
        return False
    arguments = {
        "event_id": event_id,
        "booking_id": booking_id,
        "buyer_id": offer.to.buyer_id,
        "number": offer.to.number,
        "round": round_number,
        "quantity": offer.to.quantity,
        "seconds": seconds,
    }
    connection.execute(_MAKE, arguments)
    return True


def note_round(connection: Connection, event_id: EventId, round_number: int, made: Round) -> None:
    """Write down whom a round passed over, and why."""
    arguments = {
        "event_id": event_id,
        "round": round_number,
        "absent": [one.number for one in made.absent],
        "unfit": [one.number for one in made.unfit],
    }
    connection.execute(_NOTE_ROUND, arguments)


def settle(connection: Connection, event_id: EventId) -> int:
    """Offers that are over: taken, lapsed or declined ends the entry; missed (the lane could not) puts it back in line.

    Returns how many.
    """
    return connection.execute(sql.load("settle_offers"), {"event_id": event_id}).rowcount


def open_windows(connection: Connection, event_id: EventId) -> Sequence[Opened]:
    """Offers that the lane has just held tickets for: the claim window runs from the moment of the hold."""
    rows = connection.execute(sql.load("open_claim_windows"), {"event_id": event_id, "limit": WINDOWS_MAX})
    return [Opened(BookingId(row.booking_id), BuyerId(row.buyer_id), row.tell) for row in rows]


def promised(connection: Connection, event_id: EventId) -> list[tuple[int, int]]:
    """(section, quantity) of offers that the lane has still to decide: not free any more, though the record says so."""
    return [(row.section_id, row.quantity) for row in connection.execute(_PROMISED, {"event_id": event_id})]


_MAKE = text("""
    WITH made AS (
        INSERT INTO waiting_list_offers (event_id, booking_id, buyer_id, number, round, quantity, claim_seconds)
        VALUES (:event_id, :booking_id, :buyer_id, :number, :round, :quantity, :seconds))
    UPDATE waiting_list_entries SET offer_id = :booking_id
     WHERE event_id = :event_id AND buyer_id = :buyer_id AND ended_at IS NULL
""")
_NOTE_ROUND = text("""
    INSERT INTO waiting_list_rounds (event_id, round, absent, unfit) VALUES (:event_id, :round, :absent, :unfit)
""")
_PROMISED = text("""
    SELECT CAST(b.wishes -> 0 ->> 'section_id' AS integer) AS section_id, o.quantity
      FROM waiting_list_entries w
      JOIN waiting_list_offers o ON o.event_id = w.event_id AND o.booking_id = w.offer_id
      JOIN bookings b ON b.event_id = w.event_id AND b.id = w.offer_id
     WHERE w.event_id = :event_id AND w.ended_at IS NULL AND w.offer_id IS NOT NULL AND b.state = 'queued'
""")
