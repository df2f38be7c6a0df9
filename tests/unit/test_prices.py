"""Money: amounts as people write them."""

import pytest

from onsale.db.prices import decimals, written


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123450, "eur", "1,234.50 EUR"),
        (5, "usd", "0.05 USD"),
        (5000, "jpy", "5,000 JPY"),
        (1500, "kwd", "1.500 KWD"),
        (-250, "gbp", "-2.50 GBP"),
        (0, "eur", "0.00 EUR"),
    ],
)
def test_an_amount_is_written_with_its_currencys_decimals(amount, currency, text):
    assert written(amount, currency) == text


def test_currencies_differ_in_their_decimals():
    assert [decimals(currency) for currency in ("eur", "JPY", "bhd")] == [2, 0, 3]
