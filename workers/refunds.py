"""Gives money back: asks the provider for what the record says is refunded, once, whoever calls and however often.

Before the provider is asked the refund is `sent` in the record. Who finds it sent looks first whether it was made: a
provider forgets its keys after a day, and a refund of a part is legal twice. See docs/decisions/0064.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from onsale.db import charges, refunds
from onsale.db import engine as record
from onsale.db.ids import BookingId
from onsale.db.refunds import Refund, RefundState
from onsale.errors import IllegalMove, PaymentRefused, ProviderUnavailable, RecordUnavailable
from onsale.payments.provider import REFUSED, RefundStatus
from onsale.payments.provider import Refund as Made
from onsale.workers import follow_up, paid_elsewhere
from onsale.workers.carrying import AWAY_SECONDS, LEASE_SECONDS, TWIN_SECONDS, Later, call_provider, lease
from onsale.workers.shop import Shop

log = structlog.get_logger(__name__)


def settle(shop: Shop, booking_id: BookingId, *, lease_seconds: int = LEASE_SECONDS) -> float | None:
    """Bring a booking's refunds as far as they go; after how many seconds to come back (None: not by itself).

    `lease_seconds=0` does without the lease, for the tests that show nothing depends on it.
    """
    try:
        if not (_open(shop, booking_id) or paid_elsewhere.told(shop, booking_id)):
            return None
        with lease(shop, booking_id, lease_seconds) as ours:
            if not ours:
                return TWIN_SECONDS
            return _settle_all(shop, booking_id)
    except RecordUnavailable as away:
        log.warning("refund_interrupted", booking_id=str(booking_id), why=str(away))
        return AWAY_SECONDS


def _open(shop: Shop, booking_id: BookingId) -> tuple[Refund, ...]:
    with record.reading(shop.engine) as connection:
        return refunds.open_of_booking(connection, booking_id)


def _settle_all(shop: Shop, booking_id: BookingId) -> float | None:
    # Read under the lease: what a twin has just done is done.
    try:
        paid_elsewhere.hear(shop, booking_id)
        for refund in _open(shop, booking_id):
            _settle(shop, refund)
    except Later as later:
        return later.seconds
    except ProviderUnavailable as away:
        return float(away.retry_after_seconds or AWAY_SECONDS)
    return None


def _settle(shop: Shop, refund: Refund) -> None:
    if refund.amount_minor == 0:
        _succeeded(shop, refund, provider_refund_id=None)
        return
    if refund.state is RefundState.FAILED:
        with record.transaction(shop.engine) as connection:
            once_more = refunds.again(connection, refund)
        if once_more is None:
            return
        refund = once_more
    intent_id = _intent_of(shop, refund)
    try:
        made = _made(shop, refund, intent_id) if refund.state is RefundState.SENT else None
        if made is None:
            refund = sent = _sending(shop, refund)
            made = call_provider(
                shop, lambda: shop.provider.refund_intent(intent_id, amount_minor=sent.amount_minor, key=sent.key)
            )
    except PaymentRefused as error:
        # Mostly because it is done: by hand at the provider, or through the buyer's bank.
        if not paid_elsewhere.ended(shop, refund, intent_id):
            _refused(shop, refund, why=str(error))
        return
    if made.status is RefundStatus.SUCCEEDED and paid_elsewhere.told(shop, refund.booking_id):
        # Told since `hear`: it may have failed after it said yes, while the yes was on its way.
        made = _made(shop, refund, intent_id) or made
    _note(shop, refund, made)


def _intent_of(shop: Shop, refund: Refund) -> str:
    with record.reading(shop.engine) as connection:
        charge = charges.charge_of(connection, refund.booking_id)
    if charge is None or charge.payment is None:
        raise IllegalMove(f"refund {refund.id} is of a booking without a payment")
    return charge.payment.intent_id


def _made(shop: Shop, refund: Refund, intent_id: str) -> Made | None:
    return call_provider(shop, lambda: shop.provider.find_refund(intent_id, key=refund.key))


def _sending(shop: Shop, refund: Refund) -> Refund:
    """Written before the provider is asked; the refund as it is then."""
    if refund.state is RefundState.SENT:
        return refund
    with record.transaction(shop.engine) as connection:
        if not refunds.sending(connection, refund):
            # Somebody without the lease was quicker, and asks with the same key.
            raise Later(TWIN_SECONDS)
    return replace(refund, state=RefundState.SENT)


def _note(shop: Shop, refund: Refund, made: Made) -> None:
    if made.status is RefundStatus.SUCCEEDED:
        _succeeded(shop, refund, provider_refund_id=made.id)
    elif made.status in REFUSED:
        _refused(shop, refund, why=f"The provider says that refund {made.id} has {made.status}.")
    else:
        with record.transaction(shop.engine) as connection:
            refunds.pending(connection, refund, provider_refund_id=made.id)


def _succeeded(shop: Shop, refund: Refund, *, provider_refund_id: str | None) -> None:
    with record.transaction(shop.engine) as connection:
        refunds.succeeded(connection, refund, provider_refund_id=provider_refund_id)
    follow_up.given_back(shop)


def _refused(shop: Shop, refund: Refund, *, why: str) -> None:
    # An operator reads this: a buyer has neither tickets nor money. It is tried again by itself, under another key.
    log.error("refund_failed", booking_id=str(refund.booking_id), refund_id=str(refund.id), why=why)
    with record.transaction(shop.engine) as connection:
        refunds.refused(connection, refund, why=why)
