"""Each way in which what is given back can be wrong on record, and the invariant of `onsale verify` that finds it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from onsale.db.ids import BookingId, event_of_booking
from onsale.db.refund_rules import RefundRules
from onsale.workers.admissions import tell_stock
from onsale.workers.refunds import settle
from tests.builders import run_sql, seat
from tests.services.refunding import a_paid_booking, ask
from tests.services.small_sale import verified

DAMAGE: dict[str, tuple[str, str]] = {
    "more was given back than the ticket's price": ("I2", "UPDATE refunds SET amount_minor = amount_minor + 1"),
    "what the organiser keeps is not recorded": ("I2", "UPDATE refunds SET kept_minor = 0"),
    "a refund that voids nothing": ("I2", "UPDATE booking_tickets SET refund_id = NULL WHERE refund_id IS NOT NULL"),
    "a refund nobody asked the bank for": ("I2", "UPDATE refunds SET state = 'requested'"),
    "a refund that the bank refuses": ("I2", "UPDATE refunds SET state = 'failed'"),
    "a refund without the bank's id of it": ("I2", "UPDATE refunds SET provider_refund_id = NULL"),
    "a refund that the bank knows nothing of": (
        "I2",
        "UPDATE refunds SET amount_minor = amount_minor + 100, kept_minor = kept_minor - 100",
    ),
    "a fee kept of what was asked for after the event was cancelled": (
        "I2",
        """
        INSERT INTO event_cancellations (event_id, reason, asked_by, asked_at, done_at)
        SELECT event_id, 'ill', 'test', requested_at - interval '1 millisecond', now() FROM refunds
        """,
    ),
    "a booking on its way back without a refund": (
        "I2",
        "UPDATE bookings SET state = 'refunding', version = version + 1 WHERE id = :other",
    ),
    "a booking that was refunded and keeps a ticket": (
        "I7",
        "UPDATE bookings SET state = 'refunded', version = version + 1 WHERE id = :id",
    ),
    "a ticket that was let go of a booking that goes on, by no refund": (
        "I7",
        "UPDATE booking_tickets SET released_at = now() WHERE booking_id = :other",
    ),
    "somebody let in with a ticket that was given back": (
        "I11",
        "UPDATE booking_tickets SET checked_in_at = now() WHERE refund_id IS NOT NULL",
    ),
}


@pytest.fixture
def given_back(paying_shop) -> tuple[BookingId, BookingId]:
    """A booking that gave one of two tickets back for a fee, and one that did not."""
    booking_id = a_paid_booking(paying_shop)
    event_id = event_of_booking(booking_id)
    other = a_paid_booking(paying_shop, event_id=event_id, number=3)
    ask(paying_shop, booking_id, tickets=(seat(event_id, 1),), rules=RefundRules(24, fee_minor=500))
    settle(paying_shop, booking_id)
    return booking_id, other


def broken(shop: Any, booking_id: BookingId) -> set[str]:
    event_id = event_of_booking(booking_id)
    tell_stock(shop, event_id)
    found = verified(shop, event_id, agree_seconds=0.0).findings
    return {one.invariant for one in found if one.ok is False}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_wrong_about_a_refund_is_found(paying_shop, engine, given_back, damage):
    invariant, statement = DAMAGE[damage]
    booking_id, other = given_back
    values = {name: value for name, value in {"id": booking_id, "other": other}.items() if f":{name}" in statement}
    before = broken(paying_shop, booking_id)

    # No trigger and no check stands in the way of this session.
    run_sql(engine, "ALTER TABLE booking_tickets DROP CONSTRAINT ck_booking_tickets_checked_in")
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement), values)

    assert before == set()
    assert invariant in broken(paying_shop, booking_id)


def test_the_record_itself_refuses_a_ticket_that_is_both_given_back_and_let_in(engine, given_back):
    with pytest.raises(Exception, match="ck_booking_tickets_checked_in"):
        run_sql(engine, "UPDATE booking_tickets SET checked_in_at = now() WHERE refund_id IS NOT NULL")
