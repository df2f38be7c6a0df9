"""Refuses a card that would pay for more tickets of an event than one card may, before the bank is asked.

So nobody's money is reserved for nothing, the hold stays, and another card may be tried.
"""

from __future__ import annotations

from onsale.db import card_limits
from onsale.db.engine import transaction
from onsale.db.payments import Charge
from onsale.workers.carrying import call_provider
from onsale.workers.shop import Shop

# Beside the banks' own codes.
CODE = "card_limit"


def refusal(shop: Shop, charge: Charge) -> str | None:
    """What to tell the buyer; None: the booking's tickets are counted on the card from now on, or there is no limit."""
    attempt, most = charge.attempt, charge.tickets_per_card
    if attempt is None or most is None:
        return None
    card = call_provider(shop, lambda: shop.provider.card_fingerprint(attempt.payment_method))
    if card is None:
        return None
    with transaction(shop.engine) as connection:
        if card_limits.reserve(connection, charge.booking.id, attempt.attempt, fingerprint=card, tickets_max=most):
            return None
    return (
        f"One card pays for at most {most} tickets of this show, over all bookings, and this one is there. "
        "Use another card, or give some tickets back. You were not charged."
    )
