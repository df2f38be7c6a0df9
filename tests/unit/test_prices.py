"""Money: totals within what one charge can be, and amounts as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.prices import AMOUNT_MINOR_MAX, decimals, total_minor, written


@given(st.lists(st.integers(0, AMOUNT_MINOR_MAX // 10), max_size=10))
def test_a_total_is_the_sum_of_its_prices(prices):
    assert total_minor(prices) == sum(prices)


def test_nothing_costs_nothing():
    assert total_minor([]) == 0


def test_a_total_at_the_maximum_is_taken_and_one_above_is_not():
    assert total_minor([AMOUNT_MINOR_MAX]) == AMOUNT_MINOR_MAX
    with pytest.raises(ValueError, match="more than one charge"):
        total_minor([AMOUNT_MINOR_MAX, 1])


def test_a_price_below_zero_is_refused():
    with pytest.raises(ValueError, match="below zero"):
        total_minor([500, -1])


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
