"""A bank that sends a refund back is heard whenever it does: before its yes is on record, and when nobody tells."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from onsale.db import refunds
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.refunds import LOOK_AGES_SECONDS, RefundState
from onsale.payments.provider import RefundStatus
from onsale.workers.reconcile import reconcile
from onsale.workers.refunds import settle
from tests.builders import booking, run_sql, until
from tests.services.refunding import PRICE, a_member, a_paid_booking, ask, given_back, staff_person
from tests.services.test_paid_elsewhere import intent_of, tell
from tests.services.test_refunds import only_refund, wrong

SENDS_BACK = "pm_card_refundFail"
LATE_MS = 1_500
AGO = "- :ago * interval '1 second'"
OLDER = f"UPDATE refunds SET ended_at = ended_at {AGO}, due_at = due_at {AGO}"


@pytest.fixture
def paid(paying_shop) -> BookingId:
    return a_paid_booking(paying_shop, card=SENDS_BACK)


def bank_is(shop: Any, **settings: Any) -> None:
    httpx.post(
        f"{shop.config.stripe_api_base}/_simulator/settings",
        json=settings,
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    ).raise_for_status()


def at_the_bank(shop: Any, booking_id: BookingId) -> Any:
    return shop.provider.find_refund(intent_of(shop.engine, booking_id), key=only_refund(shop, booking_id).key)


def until_sent_back(shop: Any, booking_id: BookingId) -> str:
    """The bank's own books say that it failed; its id."""

    def failed() -> bool:
        made = at_the_bank(shop, booking_id)
        return made is not None and made.status is RefundStatus.FAILED

    until(failed, "the bank sends it back")
    return str(at_the_bank(shop, booking_id).id)


def a_refund_sent_back_in_silence(shop: Any, booking_id: BookingId) -> None:
    """It succeeded, the bank sent it back, and no webhook came."""
    bank_is(shop, aftermath_ms=0)
    ask(shop, booking_id)
    settle(shop, booking_id)
    until_sent_back(shop, booking_id)
    assert only_refund(shop, booking_id).state is RefundState.SUCCEEDED


def test_a_refund_that_fails_while_its_yes_is_on_the_way_is_not_believed(web, engine, paying_shop, paid):
    bank_is(paying_shop, aftermath_ms=100, fail_next=[{"kind": "late", "path": "/refunds", "late_ms": LATE_MS}])
    member = staff_person(web, a_member(engine))
    member.post(f"/v1/admin/bookings/{paid}/refund", {}, key="k")

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(settle, paying_shop, paid)
        made = until_sent_back(paying_shop, paid)
        while_asking = only_refund(paying_shop, paid).state
        woken = tell(web, "refund.failed", id=made, object="refund", payment_intent=intent_of(engine, paid))
        worker.result()

    refund = only_refund(paying_shop, paid)
    assert (while_asking, woken) == (RefundState.SENT, 1)
    assert (refund.state, made in str(refund.why)) == (RefundState.FAILED, True)


def test_what_is_told_in_the_moment_that_success_is_written_is_asked_about_by_the_next(web, engine, paying_shop, paid):
    a_refund_sent_back_in_silence(paying_shop, paid)
    # As the webhook found it a moment before: without an id, so that it has only the payment to mark.
    tell(web, "refund.failed", id="re_not_known_yet", object="refund", payment_intent=intent_of(engine, paid))

    settle(paying_shop, paid)

    assert only_refund(paying_shop, paid).state is RefundState.FAILED


def test_the_answer_to_an_earlier_key_does_not_end_the_next_try(engine, paying_shop, paid):
    asked = ask(paying_shop, paid).refund
    run_sql(engine, "UPDATE refunds SET state = 'requested', attempt = 2")

    with transaction(engine) as connection:
        assert not refunds.succeeded(connection, asked, provider_refund_id="re_1")

    assert only_refund(paying_shop, paid).state is RefundState.REQUESTED


@pytest.mark.parametrize("age", LOOK_AGES_SECONDS)
def test_a_refund_sent_back_in_silence_is_found_at_each_age(engine, paying_shop, paid, age):
    a_refund_sent_back_in_silence(paying_shop, paid)
    run_sql(engine, OLDER, ago=age)

    found = reconcile(paying_shop).refunds
    settle(paying_shop, paid)
    refund = only_refund(paying_shop, paid)
    run_sql(engine, "UPDATE refunds SET due_at = clock_timestamp()")
    bank_is(paying_shop, aftermath_ms=60_000)
    settle(paying_shop, paid)

    assert (found, refund.state) == ((paid,), RefundState.FAILED)
    # Tried again under another key, which the bank takes.
    assert only_refund(paying_shop, paid).state is RefundState.SUCCEEDED
    assert given_back(paying_shop, paid) == 2 * PRICE
    assert wrong(paying_shop, paid) == []


def test_a_refund_that_stays_is_asked_about_once_an_age_and_then_believed(engine, paying_shop):
    booking_id = a_paid_booking(paying_shop)
    ask(paying_shop, booking_id)
    settle(paying_shop, booking_id)
    looks, ages = [], (0, *LOOK_AGES_SECONDS)

    for before, age in zip(ages, LOOK_AGES_SECONDS, strict=False):
        early = reconcile(paying_shop).refunds
        run_sql(engine, OLDER, ago=age - before)
        looks.append((early, reconcile(paying_shop).refunds))
        settle(paying_shop, booking_id)
    run_sql(engine, OLDER, ago=365 * 24 * 3_600)

    assert looks == [((), (booking_id,))] * len(LOOK_AGES_SECONDS)
    assert reconcile(paying_shop, refund_seconds=0).refunds == ()
    assert only_refund(paying_shop, booking_id).state is RefundState.SUCCEEDED


def test_only_a_few_are_asked_about_at_once_the_oldest_first(engine, paying_shop):
    first = a_paid_booking(paying_shop, tickets=1)
    event_id = booking(engine, first).event_id
    rest = [a_paid_booking(paying_shop, event_id=event_id, tickets=1, number=n) for n in (2, 3)]
    for seconds, booking_id in enumerate((*rest, first)):
        ask(paying_shop, booking_id)
        settle(paying_shop, booking_id)
        ago = LOOK_AGES_SECONDS[0] + 100 - seconds
        run_sql(engine, f"{OLDER} WHERE booking_id = :id", ago=ago, id=booking_id)

    at_once, meanwhile = (reconcile(paying_shop, looks_at_once=2).refunds for _ in range(2))
    lost_wake_ups = reconcile(paying_shop, refund_seconds=0, looks_at_once=2).refunds
    for booking_id in at_once:
        settle(paying_shop, booking_id)

    assert (set(at_once), meanwhile, set(lost_wake_ups)) == (set(rest), (), set(rest))
    assert reconcile(paying_shop, looks_at_once=2).refunds == (first,)
