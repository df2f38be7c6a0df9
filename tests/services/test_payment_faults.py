"""What the simulator can let go wrong, by call, by card and by webhook; and a booking that bears each of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
import stripe
from sqlalchemy import text

from onsale.db import charges
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.stripe_provider import StripeProvider
from onsale.sandbox.stripe_simulator.chances import BY_CARD, Fault
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, an_event, booking, seat
from tests.services.paying import create, post, reserved, until

VISA, THREE_D_SECURE = "pm_card_visa", "pm_card_threeDSecure2Required"
HURRY_SECONDS = 0.5
# Longer than a hurried caller waits, and short enough to be seen out.
SLOW_MS = 1_200


# What the simulator does.


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_limit", 429, "rate_limit"),
        ("lock_timeout", 429, "lock_timeout"),
        ("key_in_use", 409, "idempotency_key_in_use"),
        ("server_error", 500, None),
        ("server_error_after", 500, None),
    ],
)
def test_a_planned_fault_answers_as_stripe_words_it(bank, kind, status, code):
    bank.set(fail_next={"kind": kind})

    answer = post(bank, "payment_intents", "amount=100&currency=eur", key="k")

    error = answer.json()["error"]
    assert (answer.status_code, error.get("code")) == (status, code)
    assert error["message"]


@pytest.mark.parametrize("kind", ["rate_limit", "lock_timeout", "key_in_use"])
def test_what_was_refused_before_the_work_uses_up_no_key(bank, stripe_api, kind):
    bank.set(fail_next={"kind": kind})
    with pytest.raises((stripe.APIError, stripe.RateLimitError)):
        create(stripe_api, key="k")

    assert create(stripe_api, key="k").status == "requires_payment_method"


def test_a_delayed_call_holds_its_key_and_is_done_in_the_end(bank, stripe_api):
    bank.set(fail_next={"kind": "delay", "late_ms": 300})
    began = time.monotonic()

    made = create(stripe_api, key="k")

    assert time.monotonic() - began >= 0.3
    assert create(stripe_api, key="k").id == made.id


def test_a_fault_may_be_planned_for_one_call_or_one_card_alone(bank, stripe_api):
    bank.set(fail_next=[{"kind": "rate_limit", "path": "/capture"}, {"kind": "lock_timeout", "card": "pm_card_amex"}])

    intent = stripe_api.payment_intents.confirm(create(stripe_api).id, {"payment_method": VISA})

    with pytest.raises(stripe.RateLimitError) as other_card:
        stripe_api.payment_intents.confirm(create(stripe_api).id, {"payment_method": "pm_card_amex"})
    with pytest.raises(stripe.RateLimitError) as other_call:
        stripe_api.payment_intents.capture(intent.id)
    assert (other_card.value.error.code, other_call.value.error.code) == ("lock_timeout", "rate_limit")
    assert stripe_api.payment_intents.capture(intent.id).status == "succeeded"


def test_a_card_for_a_fault_fails_once_for_each_payment(stripe_api):
    for _ in range(2):
        intent = create(stripe_api)
        with pytest.raises(stripe.RateLimitError):
            stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_simulator_lock_timeout"})

        again = stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_simulator_lock_timeout"})

        assert again.status == "requires_capture"


def test_a_late_webhook_is_overtaken_by_what_happened_after_it(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, chances={"webhook_out_of_order": 1.0})
    intent = reserved(stripe_api)
    bank.set(chances={})

    stripe_api.payment_intents.capture(intent.id)

    until(lambda: len(webhook_receiver.came) == 2, "both came")
    assert webhook_receiver.types() == ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"]


def test_a_late_webhook_comes_as_late_as_it_was_told(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, chances={"webhook_late": 1.0, "late_ms": 500})
    began = time.monotonic()

    stripe_api.payment_intents.cancel(create(stripe_api).id)

    until(lambda: webhook_receiver.came, "it came")
    assert time.monotonic() - began >= 0.5


def test_a_forged_webhook_says_the_same_and_is_signed_by_somebody_else(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, chances={"webhook_forged": 1.0})

    intent = stripe_api.payment_intents.cancel(create(stripe_api).id)

    until(lambda: len(webhook_receiver.came) == 2, "the forged one and the true one came")
    (forged, forged_header), (true, header) = webhook_receiver.came
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(forged, forged_header, bank.webhook_secret)
    assert stripe.Webhook.construct_event(true, header, bank.webhook_secret).data.object.id == intent.id
    assert json.loads(forged)["data"] == json.loads(true)["data"]
    assert json.loads(forged)["id"] != json.loads(true)["id"]
    # This receiver believes everything, and that is counted.
    headers = {"Authorization": f"Bearer {bank.secret_key}"}
    counted = httpx.get(f"{bank.url}/_simulator/faults", headers=headers).json()
    assert counted == {"webhook_forged": 1, "webhook_forged_accepted": 1}


# What Onsale makes of it.


def bank_asked(shop: Any, method: str, path: str, document: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {shop.config.stripe_secret_key}"}
    answer = httpx.request(method, shop.config.stripe_api_base + path, json=document, headers=headers)
    return answer.raise_for_status().json()


def set_bank(shop: Any, **settings: Any) -> None:
    bank_asked(shop, "POST", "/_simulator/settings", settings)


def paying(shop: Any, card: str) -> BookingId:
    """A booking whose buyer has just named a card."""
    event_id = an_event(shop.engine)
    booking_id = a_booking(shop.engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=True)
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=card, return_url="https://shop.example/back")
    return booking_id


def resumed_until_confirmed(shop: Any, booking_id: BookingId) -> None:
    """What the worker does, without its waits: again for as long as it is told to come again."""
    until(lambda: resume(shop, booking_id).again_seconds is None, "nobody wants to come again")
    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED


def charged_once(shop: Any, booking_id: BookingId) -> bool:
    """Whether the record and the bank agree on one capture of 45.00, and nothing was cancelled."""
    with shop.engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM captures WHERE booking_id = :id"), {"id": booking_id})
        captures = found.scalar_one()
    taken = [each["amount_received"] for each in bank_asked(shop, "GET", "/v1/payment_intents")["data"]]
    return captures == 1 and sum(taken) == 4500 and max(taken) == 4500


@pytest.fixture
def hurried(paying_shop) -> Any:
    """The shop with a provider that gives up early, so that a test need not wait for 25 s."""
    config = paying_shop.config
    provider = StripeProvider(
        secret_key=config.stripe_secret_key, api_base=config.stripe_api_base, seconds_max=HURRY_SECONDS
    )
    yield replace(paying_shop, provider=provider)
    provider.close()


@pytest.mark.parametrize("path", ["payment_intents", "/confirm", "/capture"])
@pytest.mark.parametrize("kind", list(Fault))
def test_a_fault_in_any_call_ends_in_one_charge(hurried, kind, path):
    booking_id = paying(hurried, VISA)
    set_bank(hurried, fail_next={"kind": kind, "path": path, "late_ms": SLOW_MS})

    interrupted = resume(hurried, booking_id)
    resumed_until_confirmed(hurried, booking_id)

    assert interrupted.again_seconds is not None
    assert bank_asked(hurried, "GET", "/_simulator/settings")["fail_next"] == []
    assert charged_once(hurried, booking_id)


@pytest.mark.parametrize("card", list(BY_CARD))
def test_a_card_for_any_fault_pays_once_in_the_end(hurried, card):
    set_bank(hurried, chances={"late_ms": SLOW_MS})
    booking_id = paying(hurried, card)

    resumed_until_confirmed(hurried, booking_id)

    assert charged_once(hurried, booking_id)


def seen(engine: Any) -> list[str]:
    """The webhooks that the web believed."""
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM webhook_events")).scalars())


def told(engine: Any, count: int) -> Callable[[], bool]:
    return lambda: len(seen(engine)) >= count


def genuine(shop: Any) -> set[str]:
    return {each["id"] for each in bank_asked(shop, "GET", "/v1/events?limit=100")["data"]}


def cardholder_agrees(shop: Any) -> None:
    waiting = bank_asked(shop, "GET", "/v1/payment_intents")["data"][0]
    httpx.post(waiting["next_action"]["redirect_to_url"]["url"], data={"outcome": "complete"})


@pytest.mark.parametrize("mishap", ["webhook_late", "webhook_doubled", "webhook_out_of_order", "webhook_forged"])
def test_a_webhooks_mishap_ends_in_one_charge(paying_shop, web, mishap):
    hook = f"{web.http.base_url}/v1/webhooks/stripe".replace("//v1", "/v1")
    set_bank(paying_shop, webhook_url=hook, chances={mishap: 1.0, "late_ms": 800})
    booking_id = paying(paying_shop, THREE_D_SECURE)

    resume(paying_shop, booking_id)
    if mishap == "webhook_out_of_order":
        # The first is held back; those after it are not.
        set_bank(paying_shop, chances={})
    cardholder_agrees(paying_shop)
    until(told(paying_shop.engine, 1), "the web was told something")
    resume(paying_shop, booking_id)
    until(told(paying_shop.engine, 3), "the web was told everything")
    for _ in range(3):
        resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert charged_once(paying_shop, booking_id)
    assert set(seen(paying_shop.engine)) <= genuine(paying_shop)
    assert "webhook_forged_accepted" not in bank_asked(paying_shop, "GET", "/_simulator/faults")


def test_without_any_webhook_the_way_back_ends_in_one_charge(paying_shop, web):
    hook = f"{web.http.base_url}/v1/webhooks/stripe".replace("//v1", "/v1")
    set_bank(paying_shop, webhook_url=hook, chances={"webhook_lost": 1.0})
    booking_id = paying(paying_shop, THREE_D_SECURE)

    resume(paying_shop, booking_id)
    cardholder_agrees(paying_shop)
    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert charged_once(paying_shop, booking_id)
    assert (seen(paying_shop.engine), bank_asked(paying_shop, "GET", "/_simulator/faults")) == ([], {"webhook_lost": 3})
