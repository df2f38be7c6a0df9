"""Refuses a card that would pay for more tickets of an event than one card may: before its bank is asked, and again
when the bank has reserved the money, by the card that it really was.

So nobody is charged, the hold stays, and another card may be tried. Decision 0092.
"""

from __future__ import annotations

from onsale.db import card_limits
from onsale.db.engine import transaction
from onsale.db.payments import Charge
from onsale.payments.provider import Intent
from onsale.workers.carrying import call_provider
from onsale.workers.shop import Shop


def refusal(shop: Shop, charge: Charge) -> str | None:
    """What to tell the buyer; None: the booking's tickets are counted on the card from now on, or there is no limit."""
    attempt, most = charge.attempt, charge.tickets_per_card
    if attempt is None or most is None:
        return None
    card = call_provider(shop, lambda: shop.provider.card_fingerprint(attempt.payment_method))
    if card is None:
        # No card, or none that is known: what the bank says of it is looked at once more when it has reserved money.
        return None
    with transaction(shop.engine) as connection:
        if card_limits.reserve(connection, charge.booking.id, attempt.attempt, fingerprint=card, tickets_max=most):
            return None
    return f"{_rule(most)} Use another card, or give some tickets back. You were not charged."


def paying(shop: Shop, charge: Charge, intent: Intent) -> str | None:
    """The card that reserved the money, where there is a limit; None: no limit, no card, or too late to refuse it."""
    method = intent.payment_method
    if charge.tickets_per_card is None or method is None or intent.captured:
        return None
    return call_provider(shop, lambda: shop.provider.card_fingerprint(method))


def reopen(shop: Shop, charge: Charge, intent_id: str) -> None:
    """The reserved money is let go: the hold goes on, and its buyer is told why."""
    attempt = charge.attempt.attempt if charge.attempt else 0
    told = "Your bank was told to let go what it had reserved: you were not charged. Use another card."
    message = f"{_rule(charge.tickets_per_card)} {told}"
    with transaction(shop.engine) as connection:
        card_limits.reopen(connection, charge.booking.id, attempt, intent_id=intent_id, message=message)


def _rule(most: int | None) -> str:
    count = "only so many" if most is None else f"at most {most}"
    return f"One card pays for {count} tickets of this show, over all bookings, and this one is there."
