"""How many tickets of an event one card pays for, counted over bookings, whoever made them.

A booking counts on its card from before the bank is asked until its payment fails or its tickets are given back:
nothing is counted up or down, the record is asked.
"""

from __future__ import annotations

from sqlalchemy import Connection

from onsale.db import locks, sql
from onsale.db.ids import BookingId, event_of_booking


def reserve(connection: Connection, booking_id: BookingId, attempt: int, *, fingerprint: str, tickets_max: int) -> bool:
    """Count the booking's tickets on this card; False when the card would pay for more than `tickets_max` then.

    Two bookings with one card wait here for each other, until the transaction ends. The same attempt may ask again.
    """
    event_id = event_of_booking(booking_id)
    # A statement of its own: the next one must see what the one before us committed.
    locks.one_card(connection, fingerprint)
    asked = {"event_id": event_id, "id": booking_id, "attempt": attempt}
    found = connection.execute(
        sql.load("reserve_on_card"), {**asked, "fingerprint": fingerprint, "tickets_max": tickets_max}
    )
    return found.one_or_none() is not None
