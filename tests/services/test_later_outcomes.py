"""Payments whose outcome comes later: the tickets wait for it and no longer, and late money goes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from onsale.db.charges import AttemptOutcome
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.provider import IntentStatus
from onsale.payments.stripe_provider import StripeProvider
from onsale.web.pages.booking_views import booking_view
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.reconcile import reconcile
from tests.builders import a_booking, a_buyer, an_event, booking, let_the_hold_run_out, seat, ticket_states
from tests.services.small_sale import verified
from tests.services.test_payments_resume import charge, intent, pay

HOURS = 24


@pytest.fixture
def shop(paying_shop: Any) -> Iterator[Any]:
    """A shop that takes cards and iDEAL."""
    config = replace(paying_shop.config, payment_methods=("card", "ideal"), payment_processing_hours=HOURS)
    provider = StripeProvider(
        secret_key=config.stripe_secret_key, api_base=config.stripe_api_base, methods=config.payment_methods
    )
    yield replace(paying_shop, config=config, provider=provider)
    provider.close()


def bank(shop: Any, path: str, **sent: Any) -> Any:
    key = {"Authorization": f"Bearer {shop.config.stripe_secret_key}"}
    return httpx.post(f"{shop.config.stripe_api_base}{path}", headers=key, **sent).raise_for_status()


def ideal(shop: Any) -> str:
    return str(bank(shop, "/v1/payment_methods", data={"type": "ideal"}).json()["id"])


def paying(shop: Any, method: str, *, email: str | None = None) -> BookingId:
    """A booking of seat 1 that is being paid by this method."""
    event_id = an_event(shop.engine)
    buyer_id = a_buyer(shop.engine)
    with transaction(shop.engine) as connection:
        connection.execute(text("UPDATE buyers SET email = :email WHERE id = :id"), {"email": email, "id": buyer_id})
    booking_id = a_booking(shop.engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1, buyer_id=buyer_id)
    work_lane(shop, event_id, last_look=True)
    pay(shop, booking_id, method)
    resume(shop, booking_id)
    return booking_id


def processing(shop: Any, **buyer: Any) -> BookingId:
    """The buyer has been to the bank, and nobody knows yet whether the money comes."""
    booking_id = paying(shop, ideal(shop), **buyer)
    httpx.post(intent(shop, booking_id).next_action_url, data={"outcome": "complete"})
    resume(shop, booking_id)
    assert intent(shop, booking_id).status is IntentStatus.PROCESSING
    return booking_id


def decide(shop: Any, booking_id: BookingId, outcome: str) -> None:
    bank(shop, f"/_simulator/outcome/{intent(shop, booking_id).id}", json={"outcome": outcome})


def seat_of(shop: Any, booking_id: BookingId) -> str:
    event_id = booking(shop.engine, booking_id).event_id
    return str(ticket_states(shop.engine, event_id)[seat(event_id, 1)])


def holds_for(shop: Any, booking_id: BookingId) -> timedelta:
    now = charge(shop, booking_id)
    assert now.booking.hold_until is not None
    return now.booking.hold_until - now.read_at


def faults(shop: Any, booking_id: BookingId) -> list[str]:
    """What an audit finds about money, holds and how bookings end; there is no queue here to be audited."""
    found = verified(shop, booking(shop.engine, booking_id).event_id, agree_seconds=0.0).findings
    return [str(one) for one in found if one.invariant in ("I1", "I2", "I3", "I7", "I12") and one.ok is False]


def test_a_card_is_still_reserved_first_where_other_methods_are_taken_too(shop):
    booking_id = paying(shop, "pm_card_visa")

    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED
    events = httpx.get(
        f"{shop.config.stripe_api_base}/v1/events?type=payment_intent.amount_capturable_updated",
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    ).json()["data"]
    assert len(events) == 1


def test_where_only_cards_are_taken_another_method_is_refused_and_the_hold_stays(paying_shop):
    booking_id = paying(paying_shop, ideal(paying_shop))

    assert booking(paying_shop.engine, booking_id).state is BookingState.HELD


def test_the_tickets_wait_for_the_outcome_beyond_the_time_to_pay(shop):
    booking_id = processing(shop)
    waits = holds_for(shop, booking_id)
    let_pass = resume(shop, booking_id)

    assert timedelta(hours=HOURS) - timedelta(minutes=2) < waits <= timedelta(hours=HOURS)
    assert (booking(shop.engine, booking_id).state, seat_of(shop, booking_id)) == (BookingState.AUTHORISING, "held")
    assert let_pass.again_seconds is None
    assert faults(shop, booking_id) == []

    decide(shop, booking_id, "succeeded")
    resume(shop, booking_id)

    assert (booking(shop.engine, booking_id).state, seat_of(shop, booking_id)) == (BookingState.CONFIRMED, "sold")
    assert intent(shop, booking_id).captured_minor == 4500
    assert faults(shop, booking_id) == []


def test_asking_again_makes_the_time_no_longer(shop):
    booking_id = processing(shop)
    first = booking(shop.engine, booking_id).hold_until

    for _ in range(3):
        resume(shop, booking_id)

    assert booking(shop.engine, booking_id).hold_until == first


def test_a_first_word_that_comes_after_the_time_to_pay_still_keeps_the_tickets(shop):
    booking_id = paying(shop, ideal(shop))
    httpx.post(intent(shop, booking_id).next_action_url, data={"outcome": "complete"})
    let_the_hold_run_out(shop.engine, booking_id)

    resume(shop, booking_id)

    assert booking(shop.engine, booking_id).state is BookingState.AUTHORISING
    assert holds_for(shop, booking_id) > timedelta(hours=HOURS - 1)


@pytest.mark.parametrize("email", [None, "buyer@onsale.example"])
def test_money_that_does_not_come_gives_the_buyer_the_time_of_any_other_refusal(shop, email):
    booking_id = processing(shop, email=email)

    decide(shop, booking_id, "failed")
    resume(shop, booking_id)
    left = holds_for(shop, booking_id)

    now = charge(shop, booking_id)
    assert now.attempt is not None
    assert (now.booking.state, now.attempt.outcome) == (BookingState.HELD, AttemptOutcome.DECLINED)
    # Who can be written to is away, and gets the time of those.
    assert timedelta(0) < left <= timedelta(seconds=1_800 if email else 600)
    assert left > timedelta(seconds=900) or not email
    assert faults(shop, booking_id) == []
    pay(shop, booking_id, "pm_card_visa")
    resume(shop, booking_id)
    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED


def test_after_the_longest_wait_the_tickets_go_and_money_that_comes_then_is_given_back(shop):
    booking_id = processing(shop)
    let_the_hold_run_out(shop.engine, booking_id)

    sweep(shop)
    resume(shop, booking_id)
    ended = (booking(shop.engine, booking_id).state, seat_of(shop, booking_id))
    decide(shop, booking_id, "succeeded")
    (found,) = reconcile_soon(shop)
    resume(shop, found)

    assert ended == (BookingState.EXPIRED, "free")
    assert found == booking_id
    now = intent(shop, booking_id)
    assert now.captured_minor == 4500
    refunds = httpx.get(
        f"{shop.config.stripe_api_base}/v1/refunds?payment_intent={now.id}",
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    ).json()["data"]
    assert [one["amount"] for one in refunds] == [4500]
    assert faults(shop, booking_id) == []
    assert reconcile_soon(shop) == ()


def test_money_that_never_comes_for_tickets_that_went_is_cancelled_once_that_is_known(shop):
    booking_id = processing(shop)
    let_the_hold_run_out(shop.engine, booking_id)
    sweep(shop)
    resume(shop, booking_id)

    # The cancellation before was refused, and that answer is told again under its key.
    decide(shop, booking_id, "failed")
    (found,) = reconcile_soon(shop)
    resume(shop, found)

    assert intent(shop, booking_id).status is IntentStatus.CANCELED
    assert reconcile_soon(shop) == ()


def test_a_buyer_who_cancels_meanwhile_gets_late_money_back(shop):
    booking_id = processing(shop)
    with transaction(shop.engine) as connection:
        connection.execute(
            text("UPDATE bookings SET voiding = true, reason = 'cancelled' WHERE id = :id"), {"id": booking_id}
        )

    resume(shop, booking_id)
    decide(shop, booking_id, "succeeded")
    resume(shop, booking_id)

    now = charge(shop, booking_id)
    assert now.payment is not None
    assert (now.booking.state, now.payment.status) == (BookingState.CANCELLED, "refunded")


def test_what_is_known_to_take_long_is_not_asked_about_every_few_seconds(shop):
    booking_id = processing(shop)
    waiting = reconcile(shop, stuck_seconds=0).stuck
    let_the_hold_run_out(shop.engine, booking_id)
    sweep(shop)
    resume(shop, booking_id)
    ended = reconcile(shop, left_over_seconds=0).left_over

    assert (waiting, ended) == ((), ())
    assert reconcile_soon(shop) == (booking_id,)


def reconcile_soon(shop: Any) -> tuple[BookingId, ...]:
    """What the reconciler finds when ten minutes have passed."""
    with transaction(shop.engine) as connection:
        connection.execute(text("UPDATE payments SET updated_at = updated_at - interval '11 minutes'"))
    return reconcile(shop).left_over


def test_the_page_says_that_the_money_is_on_its_way(shop):
    booking_id = processing(shop)
    buyer_id = booking(shop.engine, booking_id).buyer_id

    words = booking_view(SimpleNamespace(engine=shop.engine), booking_id, buyer_id).words

    assert (words.mark, words.settled, words.wants_card) == ("processing", False, False)
