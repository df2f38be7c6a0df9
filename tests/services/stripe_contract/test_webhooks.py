"""Webhooks: signed, perhaps more than once, in no promised order."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
import stripe

from tests.services.paying import until
from tests.services.stripe_contract.behaviours import behaviour, captured, new_intent

PAGE, SIGNATURES = "webhooks", "webhooks/signature"
UNREACHED = "Stripe cannot reach this machine"


@behaviour(
    "The signature is the HMAC-SHA256 of time, a point and the raw body: `t=...,v1=...`.", SIGNATURES, alone=UNREACHED
)
def test_the_signature_is_of_time_and_body(bank, api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url)
    captured(api)
    body, header = until(lambda: webhook_receiver.came, "a webhook came")[0]

    given = dict(part.split("=", 1) for part in header.split(","))

    signed = f"{given['t']}.".encode() + body
    assert given["v1"] == hmac.new(bank.webhook_secret.encode(), signed, hashlib.sha256).hexdigest()
    assert abs(int(given["t"]) - time.time()) < 300


@behaviour("The SDK refuses one that is older than five minutes, or was changed.", SIGNATURES, alone=UNREACHED)
def test_an_old_or_changed_one_is_refused(bank, api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url)
    captured(api)
    body, header = until(lambda: webhook_receiver.came, "a webhook came")[0]
    old = stripe.WebhookSignature.generate_signature_header(body.decode(), bank.webhook_secret, int(time.time()) - 301)

    for given_body, given_header in ((body, old), (body + b" ", header)):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(given_body, given_header, bank.webhook_secret)
    assert stripe.Webhook.construct_event(body, header, bank.webhook_secret).object == "event"


@behaviour(
    "An event carries its id, type, time, API version, the request and the object as it was.", "api/events/object"
)
def test_an_event_carries_the_object(api):
    intent = api.payment_intents.cancel(new_intent(api).id)

    def told():
        listed = api.events.list({"type": "payment_intent.canceled", "limit": 10}).data
        return [each for each in listed if each.data.object.id == intent.id]

    event = until(told, "the event is listed")[0]
    assert (event.object, event.livemode, event.data.object.status) == ("event", False, "canceled")
    assert event.id.startswith("evt_")
    assert event.request.id.startswith("req_")
    assert event.api_version


@behaviour("One that is not answered 2xx is sent again.", PAGE, alone=UNREACHED)
def test_a_refused_one_is_sent_again(bank, api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url)
    webhook_receiver.refuse = {"payment_intent.canceled": [500]}

    api.payment_intents.cancel(new_intent(api).id)

    until(lambda: len(webhook_receiver.came) == 2, "it came again")
    first, again = (json.loads(body)["id"] for body, _ in webhook_receiver.came)
    assert first == again
