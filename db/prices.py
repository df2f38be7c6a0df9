"""Money: how an amount is written for people, and what can be charged in a currency.

An amount is a whole number of a currency's smallest unit, with the currency beside it (ISO 4217, lower case as Stripe
has it).
"""

from __future__ import annotations

import sys
from typing import NamedTuple

# What a payment provider takes at most in one charge (Stripe: eight digits, docs.stripe.com/currencies).
AMOUNT_MINOR_MAX = 99_999_999
# And at least: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
LEAST_CHARGE_MINOR = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200,
    "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
# Of the other currencies Stripe says: what 0.50 USD is worth. No rate is known here, and this is not more than that.
LEAST_CHARGE_MINOR_ELSE = 50
# https://docs.stripe.com/currencies#zero-decimal
WITHOUT_MINOR_UNIT = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
# The last of the three must be 0 in what is charged: https://docs.stripe.com/currencies#three-decimal
WITH_THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
# Have no minor unit any more, and are charged as if they had two digits, both 0:
# https://docs.stripe.com/currencies#special-cases
WITH_TWO_ZEROS = frozenset(["isk", "ugx"])


class ChargeBounds(NamedTuple):
    """What can be charged at once; nothing at all is charged by nobody, and always fits."""

    least_minor: int = 0
    most_minor: int = sys.maxsize

    def take(self, total_minor: int) -> bool:
        """Whether a booking of this total can be paid."""
        return total_minor == 0 or self.least_minor <= total_minor <= self.most_minor


ANY_AMOUNT = ChargeBounds()


def charge_bounds(currency: str) -> ChargeBounds:
    """What the payment provider takes in one charge in this currency, in minor units."""
    least = LEAST_CHARGE_MINOR.get(currency.lower(), LEAST_CHARGE_MINOR_ELSE)
    return ChargeBounds(max(least, charge_unit_minor(currency)), AMOUNT_MINOR_MAX)


def decimals(currency: str) -> int:
    """How many digits of an amount stand behind the point."""
    code = currency.lower()
    return 0 if code in WITHOUT_MINOR_UNIT else 3 if code in WITH_THREE_DECIMALS else 2


def charge_unit_minor(currency: str) -> int:
    """What every amount that is charged must be a whole multiple of, in minor units."""
    code = currency.lower()
    return 10 if code in WITH_THREE_DECIMALS else 100 if code in WITH_TWO_ZEROS else 1


def written(amount_minor: int, currency: str) -> str:
    """The amount for people: `1,234.50 EUR`."""
    digits = decimals(currency)
    sign, amount = ("-", -amount_minor) if amount_minor < 0 else ("", amount_minor)
    whole, rest = divmod(amount, 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{sign}{whole:,}{fraction} {currency.upper()}"
