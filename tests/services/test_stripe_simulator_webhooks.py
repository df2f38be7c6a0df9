"""The simulator's webhooks, its memory through a restart, and who may change how it behaves."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe

from onsale.errors import BadWebhook
from onsale.payments import webhooks
from tests.services.paying import create, paid, post, reserved, until, waiting_for_the_cardholder

# Webhooks.


def test_webhooks_are_signed_and_come_in_the_order_of_events(simulator, api, receiver):
    simulator.set(webhook_url=receiver.url, webhook_events=["*"])
    booking_id = uuid4()

    intent = paid(api, metadata={"booking_id": str(booking_id)})
    until(lambda: len(receiver.came) >= 3, "three webhooks came")

    events = [stripe.Webhook.construct_event(body, header, simulator.webhook_secret) for body, header in receiver.came]
    assert [event.type for event in events] == [
        "payment_intent.created",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
    ]
    assert [event.data.object.status for event in events][1:] == ["requires_capture", "succeeded"]
    ours = webhooks.verify(*receiver.came[-1], simulator.webhook_secret)
    assert (ours.intent_id, ours.booking_id, ours.resumes_booking) == (intent.id, booking_id, True)
    assert api.events.retrieve(ours.id).type == "payment_intent.succeeded"


def test_only_the_events_that_the_shop_asked_for_are_sent(simulator, api, receiver):
    simulator.set(webhook_url=receiver.url)

    api.payment_intents.cancel(create(api).id)
    until(lambda: receiver.came, "the cancellation came")

    assert receiver.types() == ["payment_intent.canceled"]
    assert [event.type for event in api.events.list({"type": "payment_intent.created"}).data]


@pytest.mark.parametrize("kind", sorted(webhooks.RESUMES | webhooks.SAVES_A_CARD))
def test_every_event_that_onsale_acts_on_is_sent(simulator, api, receiver, kind):
    simulator.set(webhook_url=receiver.url)
    customer = api.customers.create({}).id

    match kind:
        case "payment_intent.requires_action":
            waiting_for_the_cardholder(api)
        case "payment_intent.payment_failed":
            with pytest.raises(stripe.CardError):
                reserved(api, payment_method="pm_card_chargeDeclined")
        case "payment_intent.canceled":
            api.payment_intents.cancel(create(api).id)
        case "charge.refunded":
            api.refunds.create({"payment_intent": paid(api).id})
        case "setup_intent.succeeded":
            api.setup_intents.create({"customer": customer, "payment_method": "pm_card_visa", "confirm": True})
        case "setup_intent.setup_failed":
            with pytest.raises(stripe.CardError):
                api.setup_intents.create({"payment_method": "pm_card_chargeDeclined", "confirm": True})
        case _:
            paid(api)

    until(lambda: kind in receiver.types(), f"{kind} came")
    for body, header in receiver.came:
        assert webhooks.verify(body, header, simulator.webhook_secret).object_id


def test_a_forged_webhook_is_refused(simulator, api, receiver):
    simulator.set(webhook_url=receiver.url)
    api.payment_intents.cancel(create(api).id)
    body, header = until(lambda: receiver.came, "a webhook came")[0]

    for forged_body, forged_header, secret in (
        (body.replace(b"canceled", b"succeeded"), header, simulator.webhook_secret),
        (body + b" ", header, simulator.webhook_secret),
        (body, header, "whsec_of_somebody_else_entirely_00000"),
        (body, re.sub("t=[0-9]+", f"t={int(time.time()) - 301}", header), simulator.webhook_secret),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(forged_body, forged_header, secret)
        with pytest.raises(BadWebhook):
            webhooks.verify(forged_body, forged_header, secret)


def test_a_refused_webhook_is_sent_again_and_holds_up_no_other(simulator, api, receiver):
    simulator.set(webhook_url=receiver.url)
    receiver.refuse = {"payment_intent.amount_capturable_updated": [500, 503]}

    paid(api)
    until(lambda: len(receiver.came) >= 4, "two tries, the other event and the third try")

    assert receiver.types()[:2] == ["payment_intent.amount_capturable_updated", "payment_intent.succeeded"]
    assert receiver.types().count("payment_intent.amount_capturable_updated") == 3


def test_webhooks_wait_for_a_shop_that_is_away_and_block_no_payment(own_simulator, receiver):
    api = own_simulator.client().v1
    own_simulator.set(webhook_url="http://127.0.0.1:9/nobody")
    started = time.monotonic()
    for _ in range(20):
        api.payment_intents.cancel(create(api).id)
    took = time.monotonic() - started

    own_simulator.set(webhook_url=receiver.url)

    until(lambda: len(receiver.came) >= 20, "all twenty came")
    assert took < 5
    created = [json.loads(body)["created"] for body, _ in receiver.came]
    assert created == sorted(created)


def test_webhooks_can_be_late(simulator, api, receiver):
    simulator.set(webhook_url=receiver.url, webhook_delay_ms=400)
    started = time.monotonic()

    api.payment_intents.cancel(create(api).id)
    answered = time.monotonic() - started
    until(lambda: receiver.came, "the webhook came")

    assert answered < 0.4 <= time.monotonic() - started


def test_webhooks_can_be_lost(simulator, api, receiver):
    simulator.set(webhook_url=receiver.url, webhooks=False)
    lost = api.payment_intents.cancel(create(api).id)
    simulator.set(webhooks=True)

    seen = api.payment_intents.cancel(create(api).id)
    until(lambda: receiver.came, "the second webhook came")

    assert [json.loads(body)["data"]["object"]["id"] for body, _ in receiver.came] == [seen.id]
    assert api.payment_intents.retrieve(lost.id).status == "canceled"


# A restart.


def test_a_kill_loses_nothing(own_simulator, receiver):
    api = own_simulator.client().v1
    own_simulator.set(webhook_url="http://127.0.0.1:9/nobody")
    done = paid(api, metadata={"booking_id": "b"})
    create(api, key="asked-before")

    own_simulator.stop(kill=True)
    own_simulator.start()
    own_simulator.set(webhook_url=receiver.url)

    assert api.payment_intents.retrieve(done.id).to_dict() == done.to_dict()
    again = post(own_simulator, "payment_intents", "amount=4500&currency=eur&capture_method=manual", key="asked-before")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.payment_intents.list().data) == 2
    until(lambda: "payment_intent.succeeded" in receiver.types(), "the webhook that was not sent yet came")


# Who may change how it behaves.


def test_settings_need_the_secret_key(simulator):
    for path in ("settings", "reset"):
        address = f"{simulator.url}/_simulator/{path}"
        for headers in ({}, {"Authorization": "Bearer sk_test_wrong"}, {"Authorization": simulator.secret_key}):
            assert httpx.post(address, json={"delay_ms": 9}, headers=headers).status_code == 401
    assert settings(simulator)["delay_ms"] == 0


def settings(simulator: Any) -> Any:
    headers = {"Authorization": f"Bearer {simulator.secret_key}"}
    return httpx.get(f"{simulator.url}/_simulator/settings", headers=headers).json()


@pytest.mark.parametrize(
    "sent",
    [
        {"delay_ms": -1},
        {"delay_ms": 60_001},
        {"delay_ms": "10"},
        {"delay_ms": True},
        {"webhooks": "yes"},
        {"webhook_url": "ftp://x"},
        {"webhook_events": "*"},
        {"colour": "red"},
        {"fail_next": {"kind": "explode"}},
        {"fail_next": {"kind": "late", "times": 0}},
        ["delay_ms"],
    ],
)
def test_a_wrong_setting_changes_nothing(simulator, sent):
    before = settings(simulator)
    headers = {"Authorization": f"Bearer {simulator.secret_key}"}

    answer = httpx.post(f"{simulator.url}/_simulator/settings", json=sent, headers=headers)

    assert answer.status_code == 400
    assert settings(simulator) == before


def test_a_foreign_website_cannot_change_settings(simulator):
    address = f"{simulator.url}/_simulator/settings"

    without_token = httpx.post(address, data={"delay_ms": "9000"})
    wrong_token = httpx.post(address, data={"delay_ms": "9000", "token": "x"})
    # A name of its own that points at this machine.
    rebound = httpx.get(f"{simulator.url}/", headers={"Host": "evil.example"})

    assert [without_token.status_code, wrong_token.status_code, rebound.status_code] == [403, 403, 403]
    assert settings(simulator)["delay_ms"] == 0


def test_the_page_sets_the_delay(simulator):
    page = httpx.get(f"{simulator.url}/")
    token = re.search('name="token" value="([^"]+)"', page.text)
    assert token

    form = {"token": token[1], "delay_ms": "250", "webhook_delay_ms": "50"}
    answer = httpx.post(f"{simulator.url}/_simulator/settings", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    now = settings(simulator)
    assert (now["delay_ms"], now["webhook_delay_ms"], now["webhooks"]) == (250, 50, False)


def test_the_page_lists_payments_and_escapes_what_they_carry(simulator, api):
    intent = paid(api, description="<script>alert(1)</script>", metadata={"booking_id": "<b>7</b>"})
    with pytest.raises(stripe.CardError):
        reserved(api, payment_method="pm_card_visa_chargeDeclinedStolenCard")
    api.refunds.create({"payment_intent": intent.id, "amount": 500})

    home = httpx.get(f"{simulator.url}/")
    detail = httpx.get(f"{simulator.url}/payments/{intent.id}")

    for page in (home, detail):
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "<b>7" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "secret" not in page.text
    assert "45.00 EUR" in home.text
    assert "stolen_card" in home.text
    assert "5.00 EUR" in detail.text
    assert "charge.refunded" in detail.text
    assert httpx.get(f"{simulator.url}/payments/pi_nothing").status_code == 404


def test_the_page_shows_fifty_payments_and_leads_to_the_older_ones(simulator, api):
    made = [create(api).id for _ in range(51)]

    first = httpx.get(f"{simulator.url}/")
    older = httpx.get(f"{simulator.url}/", params={"starting_after": made[1]})

    assert made[0] not in first.text
    assert f"/?starting_after={made[1]}" in first.text
    assert made[0] in older.text
