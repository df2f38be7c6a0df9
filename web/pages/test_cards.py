"""The simulator's cards a buyer can choose from, each with what it does; real cards never pass through these pages."""

from __future__ import annotations

from dataclasses import dataclass

from onsale.config import Config


@dataclass(frozen=True)
class TestCard:
    """One of Stripe's published test cards, by the name of its payment method."""

    # pytest collects classes by their name.
    __test__ = False

    method: str
    name: str
    last4: str
    outcome: str


CARDS = (
    TestCard("pm_card_visa", "Visa", "4242", "Pays at once"),
    TestCard("pm_card_mastercard", "Mastercard", "4444", "Pays at once"),
    TestCard("pm_card_threeDSecure2Required", "Visa", "3220", "The bank asks you to confirm first"),
    TestCard("pm_card_chargeDeclinedInsufficientFunds", "Visa", "9995", "Declined: not enough money"),
    TestCard("pm_card_chargeDeclined", "Visa", "0002", "Declined by the bank"),
    TestCard("pm_card_chargeDeclinedExpiredCard", "Visa", "0069", "Declined: the card has expired"),
)


def cards(config: Config) -> tuple[TestCard, ...]:
    """The cards to choose from; none outside the sandbox."""
    return CARDS if config.environment == "sandbox" else ()
