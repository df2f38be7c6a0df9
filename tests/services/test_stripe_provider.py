"""Onsale's way to Stripe keeps its promises: declines are values, every wait ends, every call may run twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe as stripe_sdk
import structlog
from stripe._api_version import _ApiVersion

from onsale.cli.doctor.payments import examine
from onsale.errors import PaymentRefused, ProviderUnavailable
from onsale.payments.ledger import StripeLedger
from onsale.payments.provider import API_VERSION, Intent, IntentStatus, PaymentProvider, RefundStatus
from onsale.payments.stripe_provider import StripeProvider
from onsale.payments.wording import Wording
from tests.services.bank_gate import gate_to

BACK = "https://shop.example/back"
# Longer than anybody waits.
LATE_MS = 20_000


@pytest.fixture
def stripe(bank: Any) -> Iterator[StripeProvider]:
    """The provider on the empty bank, in a hurry."""
    provider = StripeProvider(secret_key=bank.secret_key, api_base=bank.url, seconds_max=1.0)
    yield provider
    provider.close()


def new_intent(stripe: PaymentProvider, **changed: Any) -> Intent:
    wanted = {
        "booking_id": uuid4(),
        "amount_minor": 4500,
        "currency": "eur",
        "wording": Wording("Two tickets"),
        **changed,
    }
    return stripe.create_intent(**wanted)


def authorised(stripe: PaymentProvider) -> Intent:
    return confirm(stripe, new_intent(stripe), "pm_card_visa")


def confirm(stripe: PaymentProvider, intent: Intent, card: str, *, attempt: int = 1) -> Intent:
    key = f"{intent.booking_id}-{attempt}"
    return stripe.confirm_intent(intent.id, payment_method=card, key=key, return_url=BACK)


def test_a_payment_goes_from_intent_to_money_to_refund(stripe):
    booking_id = uuid4()

    intent = new_intent(stripe, booking_id=booking_id)
    reserved = confirm(stripe, intent, "pm_card_visa")
    taken = stripe.capture_intent(intent.id, key="capture")
    refund = stripe.refund_intent(intent.id, amount_minor=4500, key="refund")

    assert (intent.status, intent.booking_id) == (IntentStatus.REQUIRES_PAYMENT_METHOD, booking_id)
    assert (reserved.authorised, reserved.captured, reserved.capturable_minor) == (True, False, 4500)
    assert (taken.captured, taken.captured_minor) == (True, 4500)
    assert (refund.status, refund.amount_minor, refund.intent_id) == (RefundStatus.SUCCEEDED, 4500, intent.id)


def test_every_call_may_run_twice(stripe):
    booking_id = uuid4()
    intents = [new_intent(stripe, booking_id=booking_id) for _ in range(2)]
    confirmed = [confirm(stripe, intents[0], "pm_card_visa") for _ in range(2)]
    captured = [stripe.capture_intent(intents[0].id, key="capture") for _ in range(2)]
    refunds = [stripe.refund_intent(intents[0].id, amount_minor=1000, key="refund") for _ in range(2)]
    customers = {stripe.create_customer(buyer_id=booking_id, email="a@b.example") for _ in range(2)}

    assert intents[0] == intents[1]
    assert confirmed[0] == confirmed[1]
    assert captured[0] == captured[1]
    assert refunds[0] == refunds[1]
    assert len(customers) == 1


def test_a_declined_card_is_a_value_and_a_second_card_pays(stripe):
    intent = new_intent(stripe)

    declined = confirm(stripe, intent, "pm_card_visa_chargeDeclinedInsufficientFunds")
    paid = confirm(stripe, intent, "pm_card_visa", attempt=2)

    assert (declined.declined, declined.decline_code) == (True, "insufficient_funds")
    assert declined.message == "Your card has insufficient funds."
    assert (paid.authorised, paid.decline_code) == (True, None)


@pytest.mark.parametrize("card", ["pm_no_such_card", "nonsense", "cus_1"])
def test_what_is_no_card_is_declined_like_one(stripe, card):
    intent = new_intent(stripe)

    declined = confirm(stripe, intent, card)

    assert declined.declined
    assert declined.message


def test_a_used_up_card_is_declined(bank, stripe):
    method = bank.client().v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}}).id
    confirm(stripe, new_intent(stripe), method)

    assert confirm(stripe, new_intent(stripe), method).declined


def test_3d_secure_leads_to_the_bank_and_back(stripe):
    intent = new_intent(stripe)

    waiting = confirm(stripe, intent, "pm_card_threeDSecure2Required")
    assert waiting.status is IntentStatus.REQUIRES_ACTION
    assert waiting.next_action_url
    httpx.post(waiting.next_action_url, data={"outcome": "complete"})

    assert stripe.retrieve_intent(intent.id).authorised


def test_failed_3d_secure_is_a_decline(stripe):
    waiting = confirm(stripe, new_intent(stripe), "pm_card_threeDSecure2Required")
    assert waiting.next_action_url
    httpx.post(waiting.next_action_url, data={"outcome": "fail"})

    failed = stripe.retrieve_intent(waiting.id)

    assert (failed.declined, failed.decline_code) == (True, "payment_intent_authentication_failure")


def test_a_call_in_the_wrong_state_answers_the_state(stripe):
    taken = authorised(stripe)
    stripe.capture_intent(taken.id, key="capture")
    let_go = authorised(stripe)
    stripe.cancel_intent(let_go.id, key="cancel")
    untouched = new_intent(stripe)

    assert stripe.capture_intent(taken.id, key="another").captured
    assert stripe.cancel_intent(taken.id, key="too-late").captured
    assert confirm(stripe, taken, "pm_card_visa", attempt=2).captured
    assert stripe.cancel_intent(let_go.id, key="again").canceled
    assert stripe.capture_intent(let_go.id, key="capture-too-late").canceled
    assert stripe.capture_intent(untouched.id, key="too-early").status is IntentStatus.REQUIRES_PAYMENT_METHOD


def test_a_payment_asked_for_again_in_other_words_is_another_one_and_the_same_for_the_same_words(stripe):
    booking_id = uuid4()
    first = new_intent(stripe, booking_id=booking_id)

    renamed = [new_intent(stripe, booking_id=booking_id, wording=Wording("Renamed")) for _ in range(2)]
    dearer = new_intent(stripe, booking_id=booking_id, amount_minor=9900)

    assert renamed[0] == renamed[1]
    assert len({first.id, renamed[0].id, dearer.id}) == 3
    assert new_intent(stripe, booking_id=booking_id) == first
    assert {one.status for one in (first, renamed[0], dearer)} == {IntentStatus.REQUIRES_PAYMENT_METHOD}


def test_a_confirmation_repeated_with_another_card_is_refused(stripe):
    intent = new_intent(stripe)
    confirm(stripe, intent, "pm_card_visa")

    with pytest.raises(PaymentRefused):
        confirm(stripe, intent, "pm_card_mastercard")


def test_wrong_requests_are_refused_for_good(stripe):
    intent = authorised(stripe)
    stripe.capture_intent(intent.id, key="capture")

    for call in (
        lambda: stripe.retrieve_intent("pi_nothing"),
        lambda: stripe.capture_intent("pi_nothing", key="k"),
        lambda: confirm(stripe, Intent("pi_nothing", IntentStatus.PROCESSING, "", 1, "eur"), "pm_card_visa"),
        lambda: new_intent(stripe, amount_minor=0),
        lambda: stripe.refund_intent(intent.id, amount_minor=4501, key="too-much"),
    ):
        with pytest.raises(PaymentRefused):
            call()


def test_a_saved_card_pays_for_its_customer(stripe):
    customer = stripe.create_customer(buyer_id=uuid4())
    setup = stripe.create_setup_intent(customer_id=customer, key="save", payment_method="pm_card_visa")
    assert setup.payment_method

    paid = confirm(stripe, new_intent(stripe, customer_id=customer), setup.payment_method)
    elsewhere = confirm(stripe, new_intent(stripe), setup.payment_method)

    assert (setup.status, setup.customer_id) == (IntentStatus.SUCCEEDED, customer)
    assert stripe.retrieve_setup_intent(setup.id) == setup
    assert paid.authorised
    assert elsewhere.declined


def test_a_card_saved_with_its_bank_pays_without_its_owner_and_would_not_pass_with_them(stripe):
    """4000 0025 0000 3155: the bank asks whenever the owner is there, and lets the saved card pass when not."""
    customer = stripe.create_customer(buyer_id=uuid4())
    setup = stripe.create_setup_intent(
        customer_id=customer, key="save", payment_method="pm_card_authenticationRequiredOnSetup", return_url=BACK
    )
    assert setup.next_action_url
    httpx.post(setup.next_action_url, data={"outcome": "complete"})
    saved = stripe.retrieve_setup_intent(setup.id).payment_method
    assert saved

    away, there = (new_intent(stripe, customer_id=customer) for _ in range(2))
    paid = stripe.confirm_intent(away.id, payment_method=saved, key="away", return_url=BACK, buyer_away=True)
    asked = stripe.confirm_intent(there.id, payment_method=saved, key="there", return_url=BACK)

    assert paid.authorised
    assert asked.status is IntentStatus.REQUIRES_ACTION


def test_a_bank_that_wants_an_owner_who_is_away_gives_the_address_to_write_to_them(stripe):
    card = "pm_card_authenticationRequired"
    intent = new_intent(stripe)

    asked = [
        stripe.confirm_intent(intent.id, payment_method=card, key="k", return_url=BACK, buyer_away=True)
        for _ in range(2)
    ]

    assert {one.status for one in asked} == {IntentStatus.REQUIRES_ACTION}
    assert asked[0].next_action_url == asked[1].next_action_url
    assert asked[0].next_action_url
    httpx.post(asked[0].next_action_url, data={"outcome": "complete"})
    assert stripe.retrieve_intent(intent.id).authorised


def test_another_refusal_of_a_card_whose_owner_is_away_is_a_decline(stripe):
    intent = new_intent(stripe)

    declined = stripe.confirm_intent(
        intent.id, payment_method="pm_card_chargeDeclined", key="k", return_url=BACK, buyer_away=True
    )

    assert (declined.declined, declined.decline_code) == (True, "generic_decline")


def test_a_card_that_cannot_be_saved_is_a_value(stripe):
    customer = stripe.create_customer(buyer_id=uuid4())

    setup = stripe.create_setup_intent(customer_id=customer, key="save", payment_method="pm_card_chargeDeclined")

    assert (setup.status, setup.decline_code) == (IntentStatus.REQUIRES_PAYMENT_METHOD, "generic_decline")


# When Stripe is unwell.


def test_a_rate_limit_and_a_server_error_say_when_to_come_back(bank, stripe):
    for kind in ("rate_limit", "server_error"):
        bank.set(fail_next={"kind": kind})
        with pytest.raises(ProviderUnavailable) as unavailable:
            new_intent(stripe)
        assert unavailable.value.retry_after_seconds


def test_nobody_answering_is_unavailable(stripe):
    lonely = StripeProvider(secret_key="sk_test_x", api_base="http://127.0.0.1:9")

    with pytest.raises(ProviderUnavailable):
        lonely.retrieve_intent("pi_1")


def test_a_wait_ends_and_what_became_of_it_is_found_by_id(bank, stripe):
    intent = new_intent(stripe)
    bank.set(fail_next={"kind": "late", "late_ms": LATE_MS, "path": "/confirm"})

    started = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        confirm(stripe, intent, "pm_card_visa")

    assert time.monotonic() - started < LATE_MS / 1000, "given up before the answer came"
    assert stripe.retrieve_intent(intent.id).authorised


def test_a_call_still_in_flight_is_unavailable_for_a_second(bank, stripe):
    booking_id = uuid4()
    bank.set(delay_ms=500)

    def attempt(_: int) -> object:
        try:
            return new_intent(stripe, booking_id=booking_id).id
        except ProviderUnavailable as unavailable:
            return unavailable.retry_after_seconds

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(attempt, range(2)))

    assert 1 in answers
    assert any(str(answer).startswith("pi_") for answer in answers)


@pytest.mark.parametrize("kind", ["server_error", "server_error_after"])
@pytest.mark.parametrize("step", ["create", "confirm", "capture", "cancel"])
def test_a_stored_server_error_does_not_stop_a_payment_for_a_day(bank, stripe, kind, step):
    booking_id = uuid4()
    intent = new_intent(stripe, booking_id=booking_id)
    if step in ("capture", "cancel"):
        confirm(stripe, intent, "pm_card_visa")
    calls = {
        "create": lambda: new_intent(stripe, booking_id=booking_id, currency="eur", wording=Wording("Another")),
        "confirm": lambda: confirm(stripe, intent, "pm_card_visa"),
        "capture": lambda: stripe.capture_intent(intent.id, key="capture"),
        "cancel": lambda: stripe.cancel_intent(intent.id, key="cancel"),
    }
    if step == "create":
        booking_id = uuid4()
    bank.set(fail_next={"kind": kind})

    with pytest.raises(ProviderUnavailable):
        calls[step]()
    again = calls[step]()

    wanted = {"create": "requires_payment_method", "confirm": "requires_capture", "capture": "succeeded"}
    assert again.status.value == wanted.get(step, "canceled")


@pytest.mark.parametrize("kind", ["server_error", "server_error_after"])
def test_a_refund_survives_a_stored_server_error_and_is_made_once(bank, stripe, kind):
    intent = authorised(stripe)
    stripe.capture_intent(intent.id, key="capture")
    bank.set(fail_next={"kind": kind})

    with pytest.raises(ProviderUnavailable):
        stripe.refund_intent(intent.id, amount_minor=1000, key="refund")
    again = [stripe.refund_intent(intent.id, amount_minor=1000, key="refund").id for _ in range(2)]

    assert again[0] == again[1]
    refunds = bank.client().v1.refunds.list({"payment_intent": intent.id}).data
    assert [refund.amount for refund in refunds] == [1000]


def test_a_wrong_key_waits_for_an_operator_and_is_not_logged(bank):
    stranger = StripeProvider(secret_key="sk_test_of_a_stranger_0000", api_base=bank.url)

    with structlog.testing.capture_logs() as lines, pytest.raises(ProviderUnavailable) as unavailable:
        stranger.retrieve_intent("pi_1")

    assert unavailable.value.retry_after_seconds == 60
    assert [line["event"] for line in lines] == ["payment_key_refused"]
    assert "stranger" not in repr(lines) + repr(unavailable.value)


def test_secrets_stay_out_of_what_is_printed(stripe):
    intent = new_intent(stripe)

    assert intent.client_secret
    assert intent.client_secret not in repr(intent)


def test_many_threads_share_one_client(stripe):
    patient = stripe

    def pay(_: int) -> bool:
        intent = authorised(patient)
        return patient.capture_intent(intent.id, key=f"{intent.id}-capture").captured

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(pay, range(64)))


def test_every_call_names_the_version_of_the_api_that_it_was_written_for(bank, config):
    with gate_to(bank.url) as gate:
        provider = StripeProvider(secret_key=bank.secret_key, api_base=gate.url)
        ledger = StripeLedger(secret_key=bank.secret_key, api_base=gate.url)
        new_intent(provider)
        assert ledger.payment("pi_nothing") is None
        provider.close()
        ledger.close()
        seen = examine(replace(config, stripe_secret_key=bank.secret_key, stripe_api_base=gate.url))
        assert next(seen)[0] == "provider"

    assert {one.headers["Stripe-Version"] for one in gate.asked} == {API_VERSION}


def test_the_sdk_that_is_installed_is_one_that_speaks_this_version():
    # A later SDK speaks a later one by itself. Upgrading it means to read what changed, and then to change both.
    assert stripe_sdk.VERSION.partition(".")[0] == "16"
    assert stripe_sdk.api_version in (None, API_VERSION)
    assert _ApiVersion.CURRENT == API_VERSION
