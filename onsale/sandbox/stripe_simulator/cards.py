"""Stripe's published test cards: which number or name succeeds, is declined, or asks for 3-D Secure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from onsale.sandbox.stripe_simulator.chances import BY_CARD


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank says no, in Stripe's codes, with the sentence that its API gives for the buyer."""

    code: str
    decline_code: str
    message: str
    param: str | None = None


class Authentication(Enum):
    """When the bank wants to see the cardholder (3-D Secure)."""

    NEVER = "never"
    # Always, also when the buyer is away.
    ALWAYS = "always"
    # While the buyer is there; away from it only if the card was not saved with authentication first.
    UNLESS_SET_UP = "unless_set_up"
    # While the buyer is there; it counts as saved already.
    ON_SESSION = "on_session"


class Aftermath(Enum):
    """What comes of a payment after it went well."""

    DISPUTED_AS_FRAUDULENT = "fraudulent"
    DISPUTED_AS_NOT_RECEIVED = "product_not_received"
    # A refund is pending at first, and succeeds.
    REFUND_PENDS = "refund_pends"
    # A refund succeeds at first, and fails.
    REFUND_FAILS = "refund_fails"


@dataclass(frozen=True, slots=True)
class TestCard:
    """One card of the published list."""

    __test__ = False  # pytest would take it for a test by its name

    number: str
    brand: str = "visa"
    decline: Decline | None = None
    authentication: Authentication = Authentication.NEVER
    # Declined when it is charged, yet accepted when it is saved.
    saves: bool = False
    aftermath: Aftermath | None = None

    @property
    def last4(self) -> str:
        return self.number[-4:]


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", "Your card was declined.")
STOLEN = Decline("card_declined", "stolen_card", "Your card was declined.")
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.", "exp_month")
WRONG_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "cvc")
PROCESSING = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
NOT_A_TEST_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. "
    "For a list of valid test cards, visit: https://docs.stripe.com/testing.",
)
WRONG_NUMBER = Decline("incorrect_number", "incorrect_number", "Your card number is incorrect.", "number")
WANTS_AUTHENTICATION = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

VISA = TestCard("4242424242424242")
_CUSTOMER_FAIL = TestCard("4000000000000341", decline=GENERIC, saves=True)
_3DS2 = TestCard("4000000000003220", authentication=Authentication.ALWAYS)
_3DS = TestCard("4000000000003063", authentication=Authentication.ALWAYS)
_3DS_DECLINED = TestCard("4000008400001629", decline=GENERIC, authentication=Authentication.ALWAYS)
_SCA = TestCard("4000002500003155", authentication=Authentication.UNLESS_SET_UP)
_SCA_ALWAYS = TestCard("4000002760003184", authentication=Authentication.ALWAYS)
_SCA_SET_UP = TestCard("4000003800000446", authentication=Authentication.ON_SESSION)
_SCA_NO_FUNDS = TestCard("4000008260003178", decline=NO_FUNDS, authentication=Authentication.ALWAYS, saves=True)

_DECLINES = {
    "": TestCard("4000000000000002", decline=GENERIC),
    "InsufficientFunds": TestCard("4000000000009995", decline=NO_FUNDS),
    "LostCard": TestCard("4000000000009987", decline=LOST),
    "StolenCard": TestCard("4000000000009979", decline=STOLEN),
    "ExpiredCard": TestCard("4000000000000069", decline=EXPIRED),
    "IncorrectCvc": TestCard("4000000000000127", decline=WRONG_CVC),
    "ProcessingError": TestCard("4000000000000119", decline=PROCESSING),
    "VelocityLimitExceeded": TestCard("4000000000006975", decline=VELOCITY),
}

BY_NAME: dict[str, TestCard] = {
    "pm_card_visa": VISA,
    **dict.fromkeys(BY_CARD, VISA),
    "pm_card_visa_debit": TestCard("4000056655665556"),
    "pm_card_mastercard": TestCard("5555555555554444", "mastercard"),
    "pm_card_mastercard_debit": TestCard("5200828282828210", "mastercard"),
    "pm_card_amex": TestCard("378282246310005", "amex"),
    "pm_card_discover": TestCard("6011111111111117", "discover"),
    "pm_card_diners": TestCard("3056930009020004", "diners"),
    "pm_card_jcb": TestCard("3566002020360505", "jcb"),
    "pm_card_unionpay": TestCard("6200000000000005", "unionpay"),
    **{f"pm_card_{brand}chargeDeclined{why}": card for why, card in _DECLINES.items() for brand in ("", "visa_")},
    "pm_card_chargeCustomerFail": _CUSTOMER_FAIL,
    "pm_card_createDispute": TestCard("4000000000000259", aftermath=Aftermath.DISPUTED_AS_FRAUDULENT),
    "pm_card_createDisputeProductNotReceived": TestCard(
        "4000000000002685", aftermath=Aftermath.DISPUTED_AS_NOT_RECEIVED
    ),
    "pm_card_pendingRefund": TestCard("4000000000007726", aftermath=Aftermath.REFUND_PENDS),
    "pm_card_refundFail": TestCard("4000000000005126", aftermath=Aftermath.REFUND_FAILS),
    "pm_card_threeDSecure2Required": _3DS2,
    "pm_card_threeDSecureRequired": _3DS,
    "pm_card_threeDSecureRequiredChargeDeclined": _3DS_DECLINED,
    "pm_card_threeDSecureOptional": TestCard("4000000000003055"),
    "pm_card_authenticationRequired": _SCA_ALWAYS,
    "pm_card_authenticationRequiredOnSetup": _SCA,
    "pm_card_authenticationRequiredSetupForOffSession": _SCA_SET_UP,
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": _SCA_NO_FUNDS,
}

BY_NUMBER: dict[str, TestCard] = {card.number: card for card in BY_NAME.values()}


def checksum_fits(number: str) -> bool:
    """Whether a card number's last digit fits the others (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
