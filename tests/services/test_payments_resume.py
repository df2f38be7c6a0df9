"""A payment gets to its end whoever carries it on, how often, and wherever the one before stopped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.event import listen

from onsale.db import charges, holds, sql
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import HoldExpired
from onsale.payments.provider import IntentStatus
from onsale.workers.carrying import Later
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payment_steps import Step, next_step
from onsale.workers.payments import STEPS, resume
from onsale.workers.reconcile import reconcile
from tests.builders import (
    a_booking,
    a_buyer,
    an_event,
    booking,
    let_the_hold_run_out,
    seat,
    ticket_states,
)

VISA, DECLINED, THREE_D_SECURE = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"
TRIES = 100
CALLERS = 3


def held(shop: Any, **event: Any) -> BookingId:
    """A booking that holds seat 1 at 45.00."""
    event_id = an_event(shop.engine, **event)
    booking_id = a_booking(shop.engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=True)
    assert booking(shop.engine, booking_id).state is BookingState.HELD
    return booking_id


def pay(shop: Any, booking_id: BookingId, card: str) -> None:
    """What the web does when a buyer pays: a new attempt in the record."""
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=card, return_url="https://shop.example/back")


def charge(shop: Any, booking_id: BookingId) -> charges.Charge:
    with transaction(shop.engine) as connection:
        found = charges.charge_of(connection, booking_id)
    assert found is not None
    return found


def intent(shop: Any, booking_id: BookingId) -> Any:
    """The intent as the bank has it."""
    payment = charge(shop, booking_id).payment
    assert payment is not None
    return shop.provider.retrieve_intent(payment.intent_id)


def bank_says(shop: Any, kind: str) -> int:
    """How many events of this kind the bank wrote down."""
    answer = httpx.get(
        f"{shop.config.stripe_api_base}/v1/events",
        params={"type": kind, "limit": 100},
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    )
    return len(answer.raise_for_status().json()["data"])


def go_wrong(shop: Any, **fault: Any) -> None:
    """Plan a fault for the next calls to the bank."""
    httpx.post(
        f"{shop.config.stripe_api_base}/_simulator/settings",
        json={"fail_next": fault},
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    ).raise_for_status()


def captures(shop: Any, booking_id: BookingId) -> int:
    with shop.engine.connect() as connection:
        rows = connection.execute(text("SELECT count(*) FROM captures WHERE booking_id = :id"), {"id": booking_id})
        return int(rows.scalar_one())


def test_a_card_is_charged_once_the_tickets_are_sold(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)

    done = resume(paying_shop, booking_id)

    assert done.steps == (Step.AUTHORISE, Step.COMMIT, Step.CAPTURE)
    now = booking(paying_shop.engine, booking_id)
    assert now.state is BookingState.CONFIRMED
    assert intent(paying_shop, booking_id).captured_minor == now.amount_minor == 4500
    assert ticket_states(paying_shop.engine, now.event_id)[seat(now.event_id, 1)] == "sold"


def test_a_payment_that_goes_well_is_read_once(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)
    read_whole = str(sql.load("charge_of")).splitlines()[0]
    statements: list[str] = []
    listen(paying_shop.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert sum(read_whole in statement for statement in statements) == 1


def test_a_saved_card_is_charged_without_its_buyer(paying_shop):
    event_id = an_event(paying_shop.engine)
    booking_id = a_booking(paying_shop.engine, event_id, Wish(quantity=2), number=1, payment_method=VISA)
    work_lane(paying_shop, event_id, last_look=True)

    done = resume(paying_shop, booking_id)

    assert done.steps == (Step.BEGIN, Step.AUTHORISE, Step.COMMIT, Step.CAPTURE)
    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED


def test_a_booking_that_costs_nothing_is_confirmed_without_the_bank(shop):
    event_id = an_event(shop.engine, sections=[NewSection(1, "Lawn", 0, standing=5)])
    booking_id = a_booking(shop.engine, event_id, Wish(quantity=2), number=1)
    work_lane(shop, event_id, last_look=True)

    done = resume(shop, booking_id)

    assert done.steps == (Step.COMMIT, Step.CONFIRM_FREE)
    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED


def test_a_declined_card_keeps_the_hold_and_a_second_card_pays(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, DECLINED)
    until = booking(paying_shop.engine, booking_id).hold_until

    resume(paying_shop, booking_id)
    refused = booking(paying_shop.engine, booking_id)
    attempt = charge(paying_shop, booking_id).attempt
    pay(paying_shop, booking_id, VISA)
    resume(paying_shop, booking_id)

    assert (refused.state, refused.hold_until) == (BookingState.HELD, until)
    assert attempt is not None
    assert (attempt.outcome, attempt.decline_code) == (charges.AttemptOutcome.DECLINED, "generic_decline")
    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert intent(paying_shop, booking_id).captured_minor == 4500


def test_a_declined_saved_card_is_not_tried_again_by_itself(paying_shop):
    event_id = an_event(paying_shop.engine)
    booking_id = a_booking(paying_shop.engine, event_id, Wish(quantity=1), number=1, payment_method=DECLINED)
    work_lane(paying_shop, event_id, last_look=True)

    resume(paying_shop, booking_id)

    assert resume(paying_shop, booking_id).steps == ()
    assert booking(paying_shop.engine, booking_id).state is BookingState.HELD


def test_after_the_deadline_the_seat_is_on_sale_and_the_late_payer_is_told_and_not_charged(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, DECLINED)
    resume(paying_shop, booking_id)
    let_the_hold_run_out(paying_shop.engine, booking_id)

    with pytest.raises(HoldExpired):
        pay(paying_shop, booking_id, VISA)
    swept = sweep(paying_shop)
    with pytest.raises(HoldExpired):
        pay(paying_shop, booking_id, VISA)

    now = booking(paying_shop.engine, booking_id)
    assert (swept.expired, now.state) == (1, BookingState.EXPIRED)
    assert ticket_states(paying_shop.engine, now.event_id)[seat(now.event_id, 1)] == "free"
    # The intent of the declined card is cancelled too.
    assert reconcile(paying_shop, left_over_seconds=0).left_over == (booking_id,)
    resume(paying_shop, booking_id)
    assert intent(paying_shop, booking_id).status is IntentStatus.CANCELED
    assert reconcile(paying_shop, left_over_seconds=0).left_over == ()


def test_a_bank_that_asks_the_cardholder_frees_the_worker_and_the_return_goes_on(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, THREE_D_SECURE)

    waiting = resume(paying_shop, booking_id)
    asked = booking(paying_shop.engine, booking_id).state
    again = resume(paying_shop, booking_id)
    httpx.post(intent(paying_shop, booking_id).next_action_url, data={"outcome": "complete"})
    resume(paying_shop, booking_id)

    assert (waiting.steps, waiting.again_seconds) == ((Step.AUTHORISE,), None)
    assert asked is BookingState.REQUIRES_ACTION
    assert (again.steps, again.again_seconds) == ((Step.AUTHORISE,), None)
    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED


def test_another_card_while_the_bank_waits_is_really_asked(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, THREE_D_SECURE)
    resume(paying_shop, booking_id)
    pay(paying_shop, booking_id, VISA)

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED


def test_a_cardholder_who_is_refused_by_the_bank_keeps_the_hold(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, THREE_D_SECURE)
    resume(paying_shop, booking_id)

    httpx.post(intent(paying_shop, booking_id).next_action_url, data={"outcome": "failed"})
    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.HELD


def test_a_deadline_that_passes_while_the_bank_waits_cancels_and_frees_the_seat(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, THREE_D_SECURE)
    resume(paying_shop, booking_id)
    let_the_hold_run_out(paying_shop.engine, booking_id)

    swept = sweep(paying_shop)
    resume(paying_shop, booking_id)

    now = booking(paying_shop.engine, booking_id)
    assert (swept.asked, now.state, now.reason) == (1, BookingState.EXPIRED, "expired")
    assert intent(paying_shop, booking_id).status is IntentStatus.CANCELED
    assert ticket_states(paying_shop.engine, now.event_id)[seat(now.event_id, 1)] == "free"


def test_a_deadline_that_was_read_before_the_buyer_took_more_time_ends_nothing(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, THREE_D_SECURE)
    resume(paying_shop, booking_id)
    now = charge(paying_shop, booking_id)
    read = replace(now, booking=replace(now.booking, hold_until=now.read_at - timedelta(seconds=1)))

    STEPS[Step.AUTHORISE](paying_shop, read)

    after = booking(paying_shop.engine, booking_id)
    assert (after.state, after.voiding) == (BookingState.REQUIRES_ACTION, False)


def test_money_reserved_before_the_deadline_is_not_thrown_away_after_it(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, THREE_D_SECURE)
    resume(paying_shop, booking_id)
    httpx.post(intent(paying_shop, booking_id).next_action_url, data={"outcome": "complete"})
    let_the_hold_run_out(paying_shop.engine, booking_id)

    sweep(paying_shop)
    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED


def test_a_provider_away_for_a_minute_keeps_no_seat_and_its_late_money_goes_back(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)
    before = charge(paying_shop, booking_id)
    STEPS[Step.AUTHORISE](paying_shop, before)
    authorised = charge(paying_shop, booking_id)
    let_the_hold_run_out(paying_shop.engine, booking_id, seconds=61)

    swept = sweep(paying_shop)
    # A caller that read the booking before wakes up late.
    with pytest.raises(Later):
        STEPS[Step.COMMIT](paying_shop, authorised)

    now = booking(paying_shop.engine, booking_id)
    assert (swept.asked, now.state) == (0, BookingState.EXPIRED)
    assert ticket_states(paying_shop.engine, now.event_id)[seat(now.event_id, 1)] == "free"
    assert intent(paying_shop, booking_id).status is IntentStatus.CANCELED


def test_a_buyer_who_cancels_while_paying_is_not_charged(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)
    with transaction(paying_shop.engine) as connection:
        holds.begin_voiding(connection, booking_id, reason="cancelled")

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CANCELLED
    assert captures(paying_shop, booking_id) == 0


@pytest.mark.parametrize("path", ["payment_intents", "/confirm", "/capture"])
@pytest.mark.parametrize("kind", ["server_error", "server_error_after", "rate_limit"])
def test_a_bank_that_fails_in_mid_payment_is_asked_again_and_charges_once(paying_shop, kind, path):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)
    go_wrong(paying_shop, kind=kind, path=path)

    interrupted = resume(paying_shop, booking_id)
    for _ in range(5):
        resume(paying_shop, booking_id)

    assert interrupted.again_seconds is not None
    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert intent(paying_shop, booking_id).captured_minor == 4500
    assert bank_says(paying_shop, "payment_intent.succeeded") == 1


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_a_caller_that_dies_after_any_step_leaves_a_payment_that_the_next_one_finishes(paying_shop, taken):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)
    for _ in range(taken):
        at = charge(paying_shop, booking_id)
        STEPS[next_step(at)](paying_shop, at)

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert (captures(paying_shop, booking_id), bank_says(paying_shop, "payment_intent.succeeded")) == (1, 1)


@pytest.mark.slow
def test_task_webhook_and_return_page_together_a_hundred_times_capture_once_and_cancel_nothing(paying_shop):
    event_id = an_event(
        paying_shop.engine,
        sections=[NewSection(1, "Standing", 4500, standing=TRIES)],
        tickets_per_buyer=TRIES,
    )
    buyer_id = a_buyer(paying_shop.engine)
    posted = [
        a_booking(paying_shop.engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id)
        for number in range(1, TRIES + 1)
    ]
    work_lane(paying_shop, event_id, last_look=True)
    for booking_id in posted:
        pay(paying_shop, booking_id, VISA)

    with ThreadPoolExecutor(CALLERS) as callers:
        for booking_id in posted:
            # Without the lease, which only saves calls: all three are in it at once.
            together = [callers.submit(resume, paying_shop, booking_id, lease_seconds=0) for _ in range(CALLERS)]
            for one in together:
                one.result(60)

    for booking_id in posted:
        assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
        assert captures(paying_shop, booking_id) == 1
        assert intent(paying_shop, booking_id).captured_minor == 4500
    assert bank_says(paying_shop, "payment_intent.canceled") == 0


def test_a_caller_that_finds_the_lease_taken_comes_back(paying_shop):
    booking_id = held(paying_shop)
    pay(paying_shop, booking_id, VISA)
    with transaction(paying_shop.engine) as connection:
        assert charges.claim(connection, booking_id)

    twin = resume(paying_shop, booking_id)

    assert (twin.steps, twin.again_seconds) == ((), 1.0)


def test_a_saved_card_that_was_declined_is_not_tried_again_by_a_twin_that_read_before(paying_shop):
    event_id = an_event(paying_shop.engine)
    booking_id = a_booking(
        paying_shop.engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1, payment_method=DECLINED
    )
    work_lane(paying_shop, event_id, last_look=True)
    old = charge(paying_shop, booking_id)
    resume(paying_shop, booking_id)

    assert next_step(old) is Step.BEGIN
    STEPS[Step.BEGIN](paying_shop, old)

    now = charge(paying_shop, booking_id)
    assert (now.booking.state, now.attempt.attempt) == (BookingState.HELD, 1)


def a_twin_that_read_before_the_other_committed(shop: Any, **guards: Any) -> tuple[BookingId, IntentStatus]:
    """What the bank says after a caller with an old reading comes to its commit, and before the capture."""
    booking_id = held(shop)
    pay(shop, booking_id, VISA)
    STEPS[Step.AUTHORISE](shop, charge(shop, booking_id))
    old = charge(shop, booking_id)
    STEPS[Step.COMMIT](shop, old)

    twin = replace(shop, config=replace(shop.config, **guards))
    with suppress(Later):
        STEPS[Step.COMMIT](twin, old)
    return booking_id, intent(shop, booking_id).status


def test_a_twin_that_finds_the_tickets_sold_cancels_nothing(paying_shop):
    booking_id, status = a_twin_that_read_before_the_other_committed(paying_shop)

    assert status is IntentStatus.REQUIRES_CAPTURE
    resume(paying_shop, booking_id)
    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED


def test_without_the_twin_guard_it_would_cancel_a_payment_whose_tickets_are_sold(paying_shop):
    _, status = a_twin_that_read_before_the_other_committed(paying_shop, guards_off=frozenset({"twin_commit"}))

    assert status is IntentStatus.CANCELED


def test_the_queue_being_away_does_not_stop_a_payment(paying_shop, redis_client):
    booking_id = held(paying_shop, queue=QueueChange(enabled=True))
    pay(paying_shop, booking_id, VISA)
    redis_client.flushall()

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
