"""The simulator's webhooks, its memory through a restart, and who may change how it behaves."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stripe

from onsale.errors import BadWebhook
from onsale.payments import webhooks
from tests.services.paying import create, on_its_way, paid, post, reserved, until, waiting_for_the_cardholder

# Webhooks.


def test_webhooks_are_signed_and_come_in_the_order_of_events(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, webhook_events=["*"])
    booking_id = uuid4()

    intent = paid(stripe_api, metadata={"booking_id": str(booking_id)})
    until(lambda: len(webhook_receiver.came) >= 3, "three webhooks came")

    events = [
        stripe.Webhook.construct_event(body, header, bank.webhook_secret) for body, header in webhook_receiver.came
    ]
    assert [event.type for event in events] == [
        "payment_intent.created",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
    ]
    assert [event.data.object.status for event in events][1:] == ["requires_capture", "succeeded"]
    ours = webhooks.verify(*webhook_receiver.came[-1], bank.webhook_secret)
    assert (ours.intent_id, ours.booking_id, ours.resumes_booking) == (intent.id, booking_id, True)
    assert stripe_api.events.retrieve(ours.id).type == "payment_intent.succeeded"


def test_only_the_events_that_the_shop_asked_for_are_sent(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url)

    stripe_api.payment_intents.cancel(create(stripe_api).id)
    until(lambda: webhook_receiver.came, "the cancellation came")

    assert webhook_receiver.types() == ["payment_intent.canceled"]
    assert [event.type for event in stripe_api.events.list({"type": "payment_intent.created"}).data]


@pytest.mark.parametrize("kind", sorted(webhooks.RESUMES | webhooks.SAVES_A_CARD))
def test_every_event_that_onsale_acts_on_is_sent(bank, stripe_api, webhook_receiver, kind):
    bank.set(webhook_url=webhook_receiver.url)
    customer = stripe_api.customers.create({}).id

    match kind:
        case "payment_intent.requires_action":
            waiting_for_the_cardholder(stripe_api)
        case "payment_intent.processing":
            on_its_way(stripe_api)
        case "payment_intent.payment_failed":
            with pytest.raises(stripe.CardError):
                reserved(stripe_api, payment_method="pm_card_chargeDeclined")
        case "payment_intent.canceled":
            stripe_api.payment_intents.cancel(create(stripe_api).id)
        case "charge.refunded":
            stripe_api.refunds.create({"payment_intent": paid(stripe_api).id})
        case "setup_intent.succeeded":
            stripe_api.setup_intents.create({"customer": customer, "payment_method": "pm_card_visa", "confirm": True})
        case "setup_intent.setup_failed":
            with pytest.raises(stripe.CardError):
                stripe_api.setup_intents.create({"payment_method": "pm_card_chargeDeclined", "confirm": True})
        case _:
            paid(stripe_api)

    until(lambda: kind in webhook_receiver.types(), f"{kind} came")
    for body, header in webhook_receiver.came:
        assert webhooks.verify(body, header, bank.webhook_secret).object_id


def test_a_forged_webhook_is_refused(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url)
    stripe_api.payment_intents.cancel(create(stripe_api).id)
    body, header = until(lambda: webhook_receiver.came, "a webhook came")[0]

    for forged_body, forged_header, secret in (
        (body.replace(b"canceled", b"succeeded"), header, bank.webhook_secret),
        (body + b" ", header, bank.webhook_secret),
        (body, header, "whsec_of_somebody_else_entirely_00000"),
        (body, re.sub("t=[0-9]+", f"t={int(time.time()) - 301}", header), bank.webhook_secret),
    ):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(forged_body, forged_header, secret)
        with pytest.raises(BadWebhook):
            webhooks.verify(forged_body, forged_header, secret)


def test_a_refused_webhook_is_sent_again_and_holds_up_no_other(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url)
    webhook_receiver.refuse = {"payment_intent.amount_capturable_updated": [500, 503]}

    paid(stripe_api)
    until(lambda: len(webhook_receiver.came) >= 4, "two tries, the other event and the third try")

    assert webhook_receiver.types()[:2] == ["payment_intent.amount_capturable_updated", "payment_intent.succeeded"]
    assert webhook_receiver.types().count("payment_intent.amount_capturable_updated") == 3


def test_webhooks_wait_for_a_shop_that_is_away_and_block_no_payment(own_bank, webhook_receiver):
    api = own_bank.client().v1
    own_bank.set(webhook_url="http://127.0.0.1:9/nobody")
    started = time.monotonic()
    for _ in range(20):
        api.payment_intents.cancel(create(api).id)
    took = time.monotonic() - started

    own_bank.set(webhook_url=webhook_receiver.url)

    until(lambda: len(webhook_receiver.came) >= 20, "all twenty came")
    assert took < 5
    created = [json.loads(body)["created"] for body, _ in webhook_receiver.came]
    assert created == sorted(created)


def test_webhooks_can_be_late(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, webhook_delay_ms=1_000)
    started = time.monotonic()

    stripe_api.payment_intents.cancel(create(stripe_api).id)
    came_before_the_answer = len(webhook_receiver.came)
    until(lambda: webhook_receiver.came, "the webhook came")

    assert came_before_the_answer == 0
    assert time.monotonic() - started >= 1.0


def test_webhooks_can_be_lost(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, webhooks=False)
    lost = stripe_api.payment_intents.cancel(create(stripe_api).id)
    bank.set(webhooks=True)

    seen = stripe_api.payment_intents.cancel(create(stripe_api).id)
    until(lambda: webhook_receiver.came, "the second webhook came")

    assert [json.loads(body)["data"]["object"]["id"] for body, _ in webhook_receiver.came] == [seen.id]
    assert stripe_api.payment_intents.retrieve(lost.id).status == "canceled"


# A restart.


def test_a_kill_loses_nothing(own_bank, webhook_receiver):
    api = own_bank.client().v1
    own_bank.set(webhook_url="http://127.0.0.1:9/nobody")
    done = paid(api, metadata={"booking_id": "b"})
    create(api, key="asked-before")

    own_bank.stop(kill=True)
    own_bank.start()
    own_bank.set(webhook_url=webhook_receiver.url)

    assert api.payment_intents.retrieve(done.id).to_dict() == done.to_dict()
    again = post(own_bank, "payment_intents", "amount=4500&currency=eur&capture_method=manual", key="asked-before")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.payment_intents.list().data) == 2
    until(lambda: "payment_intent.succeeded" in webhook_receiver.types(), "the webhook that was not sent yet came")


def test_its_file_belongs_to_one_process(own_bank):
    create(own_bank.client().v1)
    (file,) = own_bank.folder.glob("*.sqlite3")

    with closing(sqlite3.connect(file, timeout=0.1)) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("SELECT count(*) FROM objects")


# Who may change how it behaves.


def test_settings_need_the_secret_key(bank):
    for path in ("settings", "reset"):
        address = f"{bank.url}/_simulator/{path}"
        for headers in ({}, {"Authorization": "Bearer sk_test_wrong"}, {"Authorization": bank.secret_key}):
            assert httpx.post(address, json={"delay_ms": 9}, headers=headers).status_code == 401
    assert settings(bank)["delay_ms"] == 0


def settings(bank: Any) -> Any:
    headers = {"Authorization": f"Bearer {bank.secret_key}"}
    return httpx.get(f"{bank.url}/_simulator/settings", headers=headers).json()


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
def test_a_wrong_setting_changes_nothing(bank, sent):
    before = settings(bank)
    headers = {"Authorization": f"Bearer {bank.secret_key}"}

    answer = httpx.post(f"{bank.url}/_simulator/settings", json=sent, headers=headers)

    assert answer.status_code == 400
    assert settings(bank) == before


def test_a_foreign_website_cannot_change_settings(bank):
    address = f"{bank.url}/_simulator/settings"

    without_token = httpx.post(address, data={"delay_ms": "9000"})
    wrong_token = httpx.post(address, data={"delay_ms": "9000", "token": "x"})
    # A name of its own that points at this machine.
    rebound = httpx.get(f"{bank.url}/", headers={"Host": "evil.example"})

    assert [without_token.status_code, wrong_token.status_code, rebound.status_code] == [403, 403, 403]
    assert settings(bank)["delay_ms"] == 0


def test_the_page_sets_the_delay(bank):
    page = httpx.get(f"{bank.url}/")
    token = re.search('name="token" value="([^"]+)"', page.text)
    assert token

    form = {"token": token[1], "delay_ms": "250", "webhook_delay_ms": "50"}
    answer = httpx.post(f"{bank.url}/_simulator/settings", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    now = settings(bank)
    assert (now["delay_ms"], now["webhook_delay_ms"], now["webhooks"]) == (250, 50, False)


def test_the_page_lists_payments_and_escapes_what_they_carry(bank, stripe_api):
    intent = paid(stripe_api, description="<script>alert(1)</script>", metadata={"booking_id": "<b>7</b>"})
    with pytest.raises(stripe.CardError):
        reserved(stripe_api, payment_method="pm_card_visa_chargeDeclinedStolenCard")
    stripe_api.refunds.create({"payment_intent": intent.id, "amount": 500})

    home = httpx.get(f"{bank.url}/")
    detail = httpx.get(f"{bank.url}/payments/{intent.id}")

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
    assert httpx.get(f"{bank.url}/payments/pi_nothing").status_code == 404


def test_the_page_shows_fifty_payments_and_leads_to_the_older_ones(bank, stripe_api):
    made = [create(stripe_api).id for _ in range(51)]

    first = httpx.get(f"{bank.url}/")
    older = httpx.get(f"{bank.url}/", params={"starting_after": made[1]})

    assert made[0] not in first.text
    assert f"/?starting_after={made[1]}" in first.text
    assert made[0] in older.text
