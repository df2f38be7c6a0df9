"""What the payment provider tells us by itself: believed by its signature, stored once, handed to a worker."""

from __future__ import annotations

from flask import request

from onsale.db import charges
from onsale.db.engine import transaction
from onsale.errors import BadWebhook, ProviderUnavailable
from onsale.payments import webhooks
from onsale.payments.webhooks import BODY_BYTES_MAX, SAVES_A_CARD, Event
from onsale.web import cards
from onsale.web.api.contract import Answer, Routes, Told, body_bytes
from onsale.web.box_office import BoxOffice, box_office

provider = Routes("webhooks", "From the payment provider")


@provider.post("/v1/webhooks/stripe", answers={204: None}, raises=(BadWebhook, ProviderUnavailable), raw_body=True)
def receive_webhook() -> Answer[Told]:
    """An event from Stripe, signed over its raw body"""
    office = box_office()
    request.max_content_length = BODY_BYTES_MAX
    event = webhooks.verify(body_bytes(), request.headers.get("Stripe-Signature"), office.config.stripe_webhook_secret)
    with transaction(office.engine) as connection:
        charges.webhook_received(connection, event.id, event.type)
    _wake(office, event)
    return Answer(None, 204)


def _wake(office: BoxOffice, event: Event) -> None:
    """At a second delivery too: it may mean that we fell before the wake-up, and waking twice is harmless."""
    if event.resumes_booking and event.booking_id is not None:
        office.wakes.wake_resume(event.booking_id)
    elif event.type in SAVES_A_CARD:
        cards.saved(office, event.object_id)
