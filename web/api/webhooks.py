"""What the payment provider tells us by itself: believed by its signature, stored once, handed to a worker."""

from __future__ import annotations

import structlog
from flask import request

from onsale.db import bookings, charges, disputes, paid_elsewhere, refunds
from onsale.db.charges import Received
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.states import BookingState
from onsale.errors import BadWebhook, ProviderUnavailable
from onsale.payments import webhooks
from onsale.payments.webhooks import BODY_BYTES_MAX, GIVES_BACK, RESUMES, SAVES_A_CARD, Disputed, Event
from onsale.web import cards
from onsale.web.api.contract import Answer, Routes, Told, body_bytes
from onsale.web.box_office import BoxOffice, box_office

# Nothing that is said of the payment itself can be news after these; a refund still can.
PAID = frozenset({BookingState.CONFIRMED, BookingState.REFUNDING, BookingState.REFUNDED})
OF_A_PAYMENT = frozenset(type for type in RESUMES if type.startswith("payment_intent."))

# By then whoever had the lease has given it back.
MISSED_SECONDS = 2.0

log = structlog.get_logger(__name__)

provider = Routes("webhooks", "From the payment provider")


@provider.post("/v1/webhooks/stripe", answers={204: None}, raises=(BadWebhook, ProviderUnavailable), raw_body=True)
def receive_webhook() -> Answer[Told]:
    """An event from Stripe, signed over its raw body"""
    office = box_office()
    request.max_content_length = BODY_BYTES_MAX
    event = webhooks.verify(body_bytes(), request.headers.get("Stripe-Signature"), office.config.stripe_webhook_secret)
    booking_id = BookingId(event.booking_id) if event.booking_id else None
    with transaction(office.engine) as connection:
        received = charges.webhook_received(connection, event.id, event.type, booking_id=booking_id)
    # At a second delivery too: it may mean that we fell before the wake-up, and waking twice is harmless.
    if booking_id is not None and is_news(event, received):
        office.wakes.wake_resume(booking_id)
    elif booking_id is not None and may_be_missed(event, received):
        office.wakes.wake_resume(booking_id, after_seconds=MISSED_SECONDS)
    elif event.type in SAVES_A_CARD:
        cards.saved(office, event.object_id)
    if event.type in GIVES_BACK:
        _given_back(office, event)
    elif event.disputed is not None and event.intent_id is not None:
        _disputed(office, event.object_id, event.intent_id, event.disputed, closed=event.type.endswith(".closed"))
    return Answer(None, 204)


def _given_back(office: BoxOffice, event: Event) -> None:
    """Something happened to a refund: its worker asks what. A charge's event tells the same of its newest refund."""
    with transaction(office.engine) as connection:
        sent_back = event.type == "refund.failed"
        if sent_back:
            refunds.doubted(connection, event.object_id)
        booking_id = bookings.of_intent(connection, event.intent_id) if event.intent_id else None
        if booking_id is None or event.intent_id is None:
            return
        given_back = event.given_back_minor
        told = paid_elsewhere.told(connection, event.intent_id, given_back_minor=given_back, sent_back=sent_back)
        is_open = refunds.open_of_booking(connection, booking_id)
    if told or is_open:
        office.wakes.wake_refund(booking_id)


def _disputed(office: BoxOffice, dispute_id: str, intent_id: str, said: Disputed, *, closed: bool) -> None:
    with transaction(office.engine) as connection:
        ours = disputes.told(
            connection,
            dispute_id,
            intent_id,
            closed=closed,
            amount_minor=said.amount_minor,
            currency=said.currency,
            reason=said.reason,
            status=said.status,
        )
        booking_id = bookings.of_intent(connection, intent_id) if ours and closed else None
        ended = booking_id is not None and paid_elsewhere.end_lost(connection, booking_id)
    if ended:
        office.wakes.wake_mail()
    if ours:
        # An organiser has days to answer it, at the bank.
        log.warning("payment_disputed", dispute_id=dispute_id, intent_id=intent_id, status=said.status)


def is_news(event: Event, received: Received) -> bool:
    """Whether a worker should ask the provider about the booking: mostly one has, and this is what it was told.

    Whoever has the lease hears the newest by asking; `may_be_missed` says when that may have been a moment too early.
    """
    if not event.resumes_booking or received.state is None or received.worked_on:
        return False
    return not (received.state in PAID and event.type in OF_A_PAYMENT)


def may_be_missed(event: Event, received: Received) -> bool:
    """Whether who has the lease may have asked before this happened: a buyer comes back from the bank just then.

    Without another look they would wait for the reconciler, ten seconds.
    """
    return event.resumes_booking and received.worked_on and received.state is BookingState.REQUIRES_ACTION
