"""How many tickets of an event one card pays for, counted over bookings, whoever made them.

A booking counts on a card from before its bank is asked until that card can no longer pay, or the tickets are given
back: nothing is counted up or down, the record is asked. What the bank reserved is counted again on the card that it
really was, before the tickets are sold.
"""

from __future__ import annotations

from sqlalchemy import Connection

from onsale.db import charges, locks, sql
from onsale.db.ids import BookingId, event_of_booking
from onsale.db.payments import CARD_LIMIT


def alone(connection: Connection, fingerprint: str) -> None:
    """Wait until nobody else counts what this card buys. First in a transaction that also writes other rows."""
    locks.one_card(connection, fingerprint)


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


def asked(connection: Connection, booking_id: BookingId, attempt: int, *, provider_method: str | None) -> int:
    """The attempt that the provider speaks of: this one, or an earlier one whose question was answered before this one
    was sent. Then this one never will be, and is given up.
    """
    about = {"event_id": event_of_booking(booking_id), "id": booking_id}
    found = connection.execute(
        sql.load("card_asked"), {**about, "attempt": attempt, "provider_method": provider_method}
    ).scalar_one_or_none()
    return attempt if found is None else int(found)


def let_go(connection: Connection, booking_id: BookingId) -> bool:
    """Mark a booking whose card reserved money and is over its limit: it is not committed, the money is let go, and
    then the hold goes on. False: a twin authorised it first, or it is being voided already.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "reason": CARD_LIMIT}
    return connection.execute(sql.load("let_card_go"), arguments).rowcount == 1


def reopen(connection: Connection, booking_id: BookingId, attempt: int, *, intent_id: str, message: str) -> bool:
    """authorising or requires_action, being voided for this card -> held: its money is let go, another may be tried.

    False: it was done before (and the mark, if any, is the next card's), or it is being voided for something else.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "reason": CARD_LIMIT}
    arguments["intent_id"] = intent_id
    if connection.execute(sql.load("reopen_hold"), arguments).one_or_none() is None:
        return False
    return charges.declined(connection, booking_id, attempt, decline_code=CARD_LIMIT, message=message) is not None
