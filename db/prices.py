"""Money: how an amount is written for people, and what can be charged in a currency.

An amount is a whole number of a currency's smallest unit, with the currency beside it (ISO 4217, lower case as Stripe
has it).
"""

from __future__ import annotations

# What a payment provider takes at most in one charge (Stripe: eight digits).
AMOUNT_MINOR_MAX = 99_999_999
# https://docs.stripe.com/currencies#zero-decimal
WITHOUT_MINOR_UNIT = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
# The last of the three must be 0 in what is charged: https://docs.stripe.com/currencies#three-decimal
WITH_THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
# Have no minor unit any more, and are charged as if they had two digits, both 0:
# https://docs.stripe.com/currencies#special-cases
WITH_TWO_ZEROS = frozenset(["isk", "ugx"])


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
