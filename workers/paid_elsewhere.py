"""Asks the provider what became of a payment's refunds: those it made without us, and those that a bank sent back."""

from __future__ import annotations

import structlog

from onsale.db import charges, paid_elsewhere, refunds
from onsale.db import engine as record
from onsale.db.ids import BookingId
from onsale.db.refunds import Refund, RefundState
from onsale.payments.provider import REFUSED
from onsale.workers import follow_up, intents
from onsale.workers.carrying import call_provider
from onsale.workers.shop import Shop

log = structlog.get_logger(__name__)


def told(shop: Shop, booking_id: BookingId) -> bool:
    """Whether the provider told of a refund that it is still to be asked about."""
    with record.reading(shop.engine) as connection:
        return paid_elsewhere.told_at(connection, booking_id) is not None


def hear(shop: Shop, booking_id: BookingId) -> None:
    """The provider told of a refund: which of ours did a bank send back, and which is done by what it gave back in all?

    Raises Later and ProviderUnavailable; what was told stays to be asked about.
    """
    with record.reading(shop.engine) as connection:
        if (told_at := paid_elsewhere.told_at(connection, booking_id)) is None:
            return
        ours = refunds.of_booking(connection, booking_id)
        charge = charges.charge_of(connection, booking_id)
    if charge is None:
        return
    intent_id = intents.intent_id(charge)
    for refund in ours:
        if refund.state is RefundState.SUCCEEDED and refund.provider_refund_id is not None:
            _doubt(shop, refund, refund.provider_refund_id, intent_id)
    refunded_minor = call_provider(shop, lambda: shop.provider.refunded(intent_id))
    for refund in ours:
        if refund.state is RefundState.FAILED:
            _end(shop, refund, refunded_minor)
    with record.transaction(shop.engine) as connection:
        paid_elsewhere.heard(connection, booking_id, refunded_minor=refunded_minor, at=told_at)


def _doubt(shop: Shop, refund: Refund, made_id: str, intent_id: str) -> None:
    """A refund that had succeeded, and has not any more, is open again: whoever settles it finds it refused."""
    made = call_provider(shop, lambda: shop.provider.find_refund(intent_id, key=refund.key))
    if made is None or made.status not in REFUSED:
        return
    with record.transaction(shop.engine) as connection:
        refunds.doubted(connection, made_id)


def ended(shop: Shop, refund: Refund, intent_id: str) -> bool:
    """Whether a refund that the provider refuses was given back already, and has ended by it. Raises as `hear`."""
    return _end(shop, refund, call_provider(shop, lambda: shop.provider.refunded(intent_id)))


def _end(shop: Shop, refund: Refund, refunded_minor: int) -> bool:
    with record.transaction(shop.engine) as connection:
        paid = paid_elsewhere.covers(connection, refund, refunded_minor=refunded_minor)
        if paid is None or not paid_elsewhere.end(connection, refund, paid):
            return False
    log.info("refund_paid_elsewhere", booking_id=str(refund.booking_id), refund_id=str(refund.id), way=paid.way.value)
    follow_up.given_back(shop)
    return True
