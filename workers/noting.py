"""Writes down what the provider said of a payment; every move is guarded, so a late answer changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from onsale.db import card_limits, charges, holds
from onsale.db import engine as record
from onsale.db.bookings import Booking
from onsale.db.charges import Charge
from onsale.db.processing import wait_for_outcome
from onsale.payments.provider import Intent
from onsale.workers import card_limit
from onsale.workers.payment_steps import Seen
from onsale.workers.shop import Shop

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Noted:
    """`ours` False: nothing was written, because the intent was cancelled or replaced since. `authorised`: by this very
    word.
    """

    ours: bool
    authorised: Booking | None = None


def note(shop: Shop, charge: Charge, intent: Intent, meaning: Seen) -> Noted:
    """Write it down for the card that the provider speaks of, which may be one before the newest."""
    card = card_limit.paying(shop, charge, intent) if meaning is Seen.AUTHORISED else None
    with record.transaction(shop.engine) as connection:
        if card is not None:
            card_limits.alone(connection, card)
        if not _seen(connection, charge, intent):
            return Noted(ours=False)
        attempt = _asked(connection, charge, intent, meaning)
        if meaning is Seen.AUTHORISED:
            return Noted(ours=True, authorised=_authorised(connection, charge, intent, attempt=attempt, card=card))
        _write(shop, connection, charge, intent, meaning=meaning, attempt=attempt)
    return Noted(ours=True)


def _seen(connection: Connection, charge: Charge, intent: Intent) -> bool:
    return charges.intent_seen(
        connection,
        charge.booking.id,
        intent_id=intent.id,
        status=intent.status,
        captured_minor=intent.captured_minor,
    )


def _asked(connection: Connection, charge: Charge, intent: Intent, meaning: Seen) -> int:
    newest = charge.attempt.attempt if charge.attempt else 0
    # Only a yes, or one to come, can be the answer to a question about a card before.
    if newest < 2 or meaning not in (Seen.AUTHORISED, Seen.PROCESSING):
        return newest
    return card_limits.asked(connection, charge.booking.id, newest, provider_method=intent.payment_method)


def _authorised(
    connection: Connection, charge: Charge, intent: Intent, *, attempt: int, card: str | None
) -> Booking | None:
    """The money is reserved, by a card that may pay for these tickets; else it will be let go."""
    booking_id, most = charge.booking.id, charge.tickets_per_card
    if card is None or most is None:
        return charges.authorised(connection, booking_id, attempt, provider_method=intent.payment_method)
    if card_limits.reserve(connection, booking_id, attempt, fingerprint=card, tickets_max=most):
        return charges.authorised(connection, booking_id, attempt, provider_method=intent.payment_method)
    if card_limits.let_go(connection, booking_id):
        log.warning("card_over_its_limit", booking_id=str(booking_id), attempt=attempt, intent=intent.id)
    return None


def _write(shop: Shop, connection: Connection, charge: Charge, intent: Intent, *, meaning: Seen, attempt: int) -> None:
    booking_id = charge.booking.id
    if meaning is Seen.ACTION:
        url, method = intent.next_action_url or "", intent.payment_method
        charges.requires_action(connection, booking_id, attempt, next_action_url=url, provider_method=method)
    elif meaning is Seen.DECLINED:
        code, message = intent.decline_code or "card_declined", intent.message or "Your card was declined."
        heard = not intent.unusable
        charges.declined(connection, booking_id, attempt, decline_code=code, message=message, heard=heard)
    elif meaning is Seen.PROCESSING:
        wait_for_outcome(connection, booking_id, attempt, seconds=shop.config.payment_processing_hours * 3600)
    elif meaning is Seen.CANCELED:
        holds.begin_voiding_cancelled(connection, booking_id, reason="payment_cancelled")
