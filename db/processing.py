"""Payments whose outcome comes later: the tickets wait for it, out of sale, once and no longer than told."""

from __future__ import annotations

from sqlalchemy import Connection

from onsale.db import sql
from onsale.db.ids import BookingId, event_of_booking


def wait_for_outcome(connection: Connection, booking_id: BookingId, attempt: int, *, seconds: int) -> bool:
    """authorising or requires_action -> authorising, and the hold lasts for `seconds` more.

    False: this attempt was noted before (nothing is made longer twice), has an outcome, or the booking is being voided.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "attempt": attempt, "seconds": seconds}
    return connection.execute(sql.load("payment_processing"), arguments).one_or_none() is not None
