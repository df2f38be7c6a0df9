"""A booking's one intent at the provider: asked for, asked about, confirmed, at the pace that all workers share."""

from __future__ import annotations

from dataclasses import replace

from onsale.db import charges
from onsale.db import engine as record
from onsale.db.charges import Charge
from onsale.errors import IllegalMove
from onsale.payments.provider import Intent
from onsale.payments.wording import Wording, statement_suffix
from onsale.workers.carrying import call_provider
from onsale.workers.shop import Shop


def create(shop: Shop, charge: Charge) -> tuple[Intent, Charge]:
    """Ask for the booking's intent, store its id, and tell both; a crash after that can always ask by id.

    After one that was let go it is the one that stands in for it: the same for whoever asks.
    """
    booking, before = charge.booking, charge.payment.intent_id if charge.payment else None
    intent = call_provider(
        shop,
        lambda: shop.provider.create_intent(
            booking_id=booking.id,
            amount_minor=booking.amount_minor or 0,
            currency=booking.currency,
            wording=_wording(shop, charge),
            customer_id=charge.provider_customer_id,
            instead_of=before,
        ),
    )
    with record.transaction(shop.engine) as connection:
        payment = charges.intent_created(
            connection,
            booking.id,
            intent_id=intent.id,
            client_secret=intent.client_secret,
            status=intent.status,
            amount_minor=intent.amount_minor,
            currency=intent.currency,
            instead_of=before,
        )
    if payment is None:
        # A twin's was stored first, and is another one if it was asked for in other words. Only one may be confirmed.
        with record.reading(shop.engine) as connection:
            stored = charges.charge_of(connection, booking.id)
        if stored is not None and stored.payment is not None and stored.payment.intent_id != intent.id:
            return retrieve(shop, stored), stored
    return intent, replace(charge, payment=payment)


def retrieve(shop: Shop, charge: Charge) -> Intent:
    """The booking's intent as the provider has it now."""
    return call_provider(shop, lambda: shop.provider.retrieve_intent(intent_id(charge)))


def confirm(shop: Shop, charge: Charge, intent: Intent) -> Intent:
    """Have the newest card asked, once, however often this is called."""
    attempt = charge.attempt
    if attempt is None:
        raise IllegalMove("authorising without an attempt")
    return call_provider(
        shop,
        lambda: shop.provider.confirm_intent(
            intent.id,
            payment_method=attempt.payment_method,
            key=attempt.key,
            return_url=attempt.return_url,
            buyer_away=_buyer_away(charge),
        ),
    )


def intent_id(charge: Charge) -> str:
    """Its id. IllegalMove when none was stored."""
    if charge.payment is None:
        raise IllegalMove("this booking has no payment intent")
    return charge.payment.intent_id


def _wording(shop: Shop, charge: Charge) -> Wording:
    booking = charge.booking
    return Wording(
        charge.event_name,
        statement_suffix=statement_suffix(charge.event_name),
        receipt_email=charge.buyer_email if shop.config.payment_receipts else None,
        metadata={"event_id": str(booking.event_id), "queue_number": str(booking.number)},
    )


def _buyer_away(charge: Charge) -> bool:
    """Whether this is the card saved with a hands-free booking, which nobody is there to answer for."""
    attempt = charge.attempt
    return charge.booking.payment_method is not None and attempt is not None and attempt.attempt == 1
