"""The next step of a payment is read off the record, whole table and all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from onsale.db.bookings import Booking
from onsale.db.charges import Attempt, AttemptOutcome, Charge, Payment
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.states import ENDED, HOLDING, BookingState
from onsale.payments.provider import Intent, IntentStatus
from onsale.workers.payment_steps import Seen, Step, end_of, next_step, overdue_seconds, seen

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ID = BookingId(UUID(int=7))
S = BookingState


def a_charge(
    state: BookingState, *, payment: str | None = None, attempt: AttemptOutcome | None = None, **changed: Any
) -> Charge:
    values: dict[str, Any] = {
        "id": ID,
        "event_id": EventId(1),
        "buyer_id": BuyerId(UUID(int=1)),
        "number": 1,
        "return_number": None,
        "state": state,
        "version": 3,
        "wishes": (),
        "payment_method": None,
        "tickets_wanted": 1,
        "tickets_taken": 1,
        "amount_minor": 4500,
        "currency": "eur",
        "admission_id": "1",
        "idempotency_key": "key",
        "request_hash": b"",
        "hold_version": 3,
        "hold_until": NOW,
        "hold_extensions": 0,
        "voiding": False,
        "reason": None,
        "created_at": NOW,
        "queued_at": NOW,
        "decided_at": NOW,
        "ended_at": None,
    }
    return Charge(
        booking=Booking(**{**values, **changed}),
        event_name="Show",
        tickets_per_card=None,
        buyer_email=None,
        provider_customer_id=None,
        payment=a_payment(payment) if payment else None,
        attempt=an_attempt(attempt) if attempt else None,
        read_at=NOW,
    )


def a_payment(status: str) -> Payment:
    return Payment(
        event_id=EventId(1),
        booking_id=ID,
        intent_id="pi_1",
        client_secret="",
        status=status,
        amount_minor=4500,
        currency="eur",
        captured_minor=0,
        void_reason=None,
        created_at=NOW,
        updated_at=NOW,
    )


def an_attempt(outcome: AttemptOutcome) -> Attempt:
    return Attempt(
        event_id=EventId(1),
        booking_id=ID,
        attempt=1,
        payment_method="pm_1",
        return_url="",
        outcome=outcome,
        decline_code=None,
        message=None,
        next_action_url=None,
        processing_until=None,
        created_at=NOW,
    )


@pytest.mark.parametrize(
    ("charge", "step"),
    [
        (a_charge(S.WAITING), Step.REST),
        (a_charge(S.QUEUED), Step.REST),
        (a_charge(S.HELD), Step.REST),
        (a_charge(S.HELD, payment_method="pm_1"), Step.BEGIN),
        (a_charge(S.HELD, payment_method="pm_1", attempt=AttemptOutcome.DECLINED), Step.REST),
        (a_charge(S.HELD, amount_minor=0), Step.COMMIT),
        (a_charge(S.AUTHORISING), Step.AUTHORISE),
        (a_charge(S.REQUIRES_ACTION), Step.AUTHORISE),
        (a_charge(S.AUTHORISED), Step.COMMIT),
        (a_charge(S.COMMITTED), Step.CAPTURE),
        (a_charge(S.COMMITTED, amount_minor=0), Step.CONFIRM_FREE),
        (a_charge(S.CONFIRMED, payment="succeeded"), Step.REST),
        (a_charge(S.REFUNDING, payment="succeeded"), Step.REST),
        (a_charge(S.REFUNDED, payment="succeeded"), Step.REST),
        (a_charge(S.EXPIRED), Step.REST),
        (a_charge(S.EXPIRED, payment="requires_capture"), Step.RELEASE),
        (a_charge(S.EXPIRED, payment="canceled"), Step.REST),
        (a_charge(S.CANCELLED, payment="refunded"), Step.REST),
    ],
)
def test_each_state_asks_for_its_step(charge, step):
    assert next_step(charge) is step


@pytest.mark.parametrize("state", sorted(HOLDING))
def test_a_voided_hold_is_never_committed(state):
    assert next_step(a_charge(state, voiding=True, amount_minor=0)) is Step.VOID


@pytest.mark.parametrize("state", list(BookingState))
def test_no_ended_booking_is_charged(state):
    step = next_step(a_charge(state, payment="requires_capture", payment_method="pm_1"))

    assert state not in ENDED or step in (Step.REST, Step.RELEASE)


def an_intent(status: IntentStatus, **changed: Any) -> Intent:
    return Intent(id="pi_1", status=status, client_secret="", amount_minor=4500, currency="eur", **changed)


@pytest.mark.parametrize(
    ("status", "confirmed", "state", "meaning"),
    [
        (IntentStatus.REQUIRES_CAPTURE, False, S.AUTHORISING, Seen.AUTHORISED),
        (IntentStatus.SUCCEEDED, False, S.AUTHORISING, Seen.AUTHORISED),
        (IntentStatus.CANCELED, True, S.AUTHORISING, Seen.CANCELED),
        (IntentStatus.PROCESSING, False, S.AUTHORISING, Seen.PROCESSING),
        (IntentStatus.REQUIRES_PAYMENT_METHOD, True, S.AUTHORISING, Seen.DECLINED),
        # The decline, or the question to the cardholder, may be the card before's.
        (IntentStatus.REQUIRES_PAYMENT_METHOD, False, S.AUTHORISING, Seen.UNSENT),
        (IntentStatus.REQUIRES_ACTION, False, S.AUTHORISING, Seen.UNSENT),
        (IntentStatus.REQUIRES_CONFIRMATION, False, S.AUTHORISING, Seen.UNSENT),
        (IntentStatus.REQUIRES_ACTION, True, S.AUTHORISING, Seen.ACTION),
        (IntentStatus.REQUIRES_ACTION, False, S.REQUIRES_ACTION, Seen.ACTION),
        (IntentStatus.REQUIRES_PAYMENT_METHOD, False, S.REQUIRES_ACTION, Seen.DECLINED),
    ],
)
def test_an_answer_counts_only_for_the_card_that_was_asked(status, confirmed, state, meaning):
    assert seen(an_intent(status), confirmed=confirmed, state=state) is meaning


def test_a_deadline_counts_by_the_clock_it_is_given():
    charge = a_charge(S.AUTHORISING, hold_until=NOW)

    assert overdue_seconds(charge, NOW + timedelta(seconds=90)) == 90
    assert overdue_seconds(charge, NOW - timedelta(seconds=1)) == -1
    assert overdue_seconds(a_charge(S.AUTHORISING, hold_until=None), NOW) < 0


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (None, S.EXPIRED),
        ("expired", S.EXPIRED),
        ("hold_lost", S.EXPIRED),
        ("cancelled", S.CANCELLED),
        ("payment_cancelled", S.PAYMENT_FAILED),
    ],
)
def test_a_voided_booking_ends_by_its_reason(reason, state):
    assert end_of(reason) is state
