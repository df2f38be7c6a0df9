"""The currencies of the sample catalogue and their neighbours: how they are written, and the least Stripe charges."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator.errors import invalid

# Smallest charge in minor units, as Stripe publishes it; a currency that is not here takes MINIMUM.
MINIMUMS = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200,
    "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
MINIMUM = 50
MAXIMUM = 99_999_999
# Stripe counts `ugx` in hundredths, though it has none.
WITHOUT_MINOR_UNITS = {
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
}  # fmt: skip
THREE_DECIMALS = {"bhd", "jod", "kwd", "omr", "tnd"}


def check_amount(amount: int, currency: str) -> None:
    """Refuse what no card may be charged."""
    if currency in THREE_DECIMALS and amount % 10:
        raise invalid(f"The last digit of an amount in {currency.upper()} must be 0.", param="amount")
    least = MINIMUMS.get(currency, MINIMUM)
    if amount < least:
        raise invalid(f"Amount must be at least {written(least, currency)}", code="amount_too_small", param="amount")
    if amount > MAXIMUM:
        raise invalid(
            f"Amount must be no more than {written(MAXIMUM, currency)}", code="amount_too_large", param="amount"
        )


def check_currency(currency: str) -> str:
    """Three letters, lower case."""
    low = currency.lower()
    if not (len(low) == 3 and low.isascii() and low.isalpha()):
        raise invalid(f"Invalid currency: {currency[:20]}.", param="currency")
    return low


def written(amount: int, currency: str) -> str:
    """An amount for people: `1234` minor units of `eur` as `12.34 EUR`."""
    if currency in WITHOUT_MINOR_UNITS:
        return f"{amount} {currency.upper()}"
    if currency in THREE_DECIMALS:
        return f"{amount // 1000}.{amount % 1000:03d} {currency.upper()}"
    return f"{amount // 100}.{amount % 100:02d} {currency.upper()}"
