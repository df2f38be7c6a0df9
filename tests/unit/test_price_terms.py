"""Fees and tax: the order they are put on in, how they are rounded, and what no terms and no price can break."""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.price_terms import (
    NO_TERMS,
    NOTHING,
    WHOLE_BP,
    Bill,
    PriceTerms,
    check_amount,
    checked,
    terms_from_json,
    terms_from_text,
)
from onsale.db.prices import AMOUNT_MINOR_MAX, charge_unit_minor
from onsale.errors import BadRequest

CURRENCIES = ("eur", "usd", "jpy", "kwd", "isk")
RATES = st.integers(0, WHOLE_BP)


@st.composite
def some_terms(draw):
    """Any terms that may be set, in any kind of currency."""
    unit = charge_unit_minor(draw(st.sampled_from(CURRENCIES)))
    amounts = st.integers(0, 2_000).map(lambda n: n * unit)
    return PriceTerms(
        ticket_fee_minor=draw(amounts),
        ticket_fee_bp=draw(RATES),
        ticket_fee_included=draw(st.booleans()),
        booking_fee_minor=draw(amounts),
        tax_bp=draw(RATES),
        tax_included=draw(st.booleans()),
        fees_taxed=draw(st.booleans()),
        unit_minor=unit,
    )


@st.composite
def terms_and_prices(draw, most=8):
    """Terms, and prices their currency has."""
    terms = draw(some_terms())
    prices = draw(st.lists(st.integers(0, 100_000).map(lambda n: n * terms.unit_minor), min_size=1, max_size=most))
    return terms, prices


def on_top(terms: PriceTerms, bill: Bill) -> int:
    return 0 if terms.tax_included else bill.taxes_minor


@given(terms_and_prices())
def test_the_parts_of_a_bill_make_its_total_and_each_is_something_that_can_be_charged(case):
    terms, prices = case

    bill = terms.of_booking(prices)

    assert bill.tickets_minor + bill.fees_minor + on_top(terms, bill) == bill.total_minor
    assert all(0 <= part <= bill.total_minor and part % terms.unit_minor == 0 for part in bill)


@given(terms_and_prices())
def test_a_booking_is_the_sum_of_its_lines_however_it_is_split(case):
    terms, prices = case
    fee = terms.booking_fee() if any(prices) else NOTHING

    lines = [terms.of_ticket(price) for price in prices]

    expected = fee
    for line in lines:
        expected = expected.plus(line)
    assert terms.of_booking(prices) == expected
    assert terms.of_booking(list(reversed(prices))) == expected


@given(terms_and_prices())
def test_tickets_booked_together_never_cost_more_than_the_prices_shown_beside_them(case):
    terms, prices = case

    together = terms.of_booking(prices).total_minor

    assert together <= sum(terms.alone(price).total_minor for price in prices)


@given(some_terms(), st.integers(0, 100_000), st.integers(0, 1_000))
def test_a_dearer_ticket_never_costs_less(terms, price, more):
    low, high = price * terms.unit_minor, (price + more) * terms.unit_minor

    assert terms.alone(low).total_minor <= terms.alone(high).total_minor
    assert terms.of_ticket(low).total_minor <= terms.of_ticket(high).total_minor


@given(some_terms(), st.integers(0, 100_000))
def test_a_tax_taken_out_of_a_price_is_the_one_that_was_put_on_it(terms, price):
    net = price * terms.unit_minor
    on_top_of = replace(terms, tax_included=False, ticket_fee_minor=0, ticket_fee_bp=0, booking_fee_minor=0)

    put_on = on_top_of.of_ticket(net)
    taken_out = replace(on_top_of, tax_included=True).of_ticket(put_on.total_minor)

    assert taken_out.total_minor == put_on.total_minor
    assert abs(taken_out.taxes_minor - put_on.taxes_minor) <= terms.unit_minor


@given(some_terms(), st.integers(1, 100_000))
def test_a_share_is_nowhere_further_from_the_exact_one_than_half_a_unit(terms, price):
    price *= terms.unit_minor
    bare = replace(terms, ticket_fee_minor=0, ticket_fee_included=False, tax_included=False, tax_bp=0)

    fee = bare.of_ticket(price).fees_minor

    exact = Fraction(price * terms.ticket_fee_bp, WHOLE_BP)
    assert abs(fee - exact) <= Fraction(terms.unit_minor, 2)
    # Half goes up.
    assert fee - exact > -Fraction(terms.unit_minor, 2)


@given(terms_and_prices())
def test_without_fees_and_tax_a_ticket_costs_its_price(case):
    _, prices = case

    assert NO_TERMS.of_booking(prices) == Bill(sum(prices), 0, 0, sum(prices))


@given(some_terms())
def test_what_is_free_bears_nothing(terms):
    assert terms.of_booking([0, 0]) == NOTHING


@given(some_terms())
def test_terms_read_back_as_they_were_written(terms):
    document = terms.as_json()

    assert terms_from_json(document) == (NO_TERMS if terms.plain else terms)


def test_terms_of_a_later_release_are_read_without_what_is_new():
    assert terms_from_text('{"tax_bp": 1000, "colour": "red"}') == PriceTerms(tax_bp=1000)


@pytest.mark.parametrize(
    ("terms", "price", "bill"),
    [
        # 50.00, a fee of 2.50 and 5 %, all with 19 % on top: (50.00 + 5.00) * 1.19 = 65.45.
        (PriceTerms(ticket_fee_minor=250, ticket_fee_bp=500, tax_bp=1900, tax_included=False), 5000,
         Bill(5000, 500, 1045, 6545)),
        # The fee untaxed: 50.00 * 1.19 + 5.00.
        (PriceTerms(ticket_fee_minor=500, tax_bp=1900, tax_included=False, fees_taxed=False), 5000,
         Bill(5000, 500, 950, 6450)),
        # All within 50.00: a fee of 5.00, and 7.98 of tax.
        (PriceTerms(ticket_fee_minor=500, ticket_fee_included=True, tax_bp=1900), 5000, Bill(4500, 500, 798, 5000)),
        # A fee within a price is at most the price.
        (PriceTerms(ticket_fee_minor=500, ticket_fee_included=True), 300, Bill(0, 300, 0, 300)),
        # Yen have no smaller unit: 10 % of 8,805 is 880.5, half goes up.
        (PriceTerms(tax_bp=1000, tax_included=False), 8805, Bill(8805, 0, 881, 9686)),
        # Dinars are charged in tens of fils: 5 % of 12.500 is 0.625, which goes up to 0.630.
        (PriceTerms(tax_bp=500, tax_included=False, unit_minor=10), 12500, Bill(12500, 0, 630, 13130)),
    ],
)  # fmt: skip
def test_the_order_in_which_fees_and_tax_are_put_on(terms, price, bill):
    assert terms.of_ticket(price) == bill


def test_the_fee_of_a_booking_is_paid_once_with_its_tax():
    terms = PriceTerms(booking_fee_minor=200, tax_bp=1000, tax_included=False)

    assert terms.of_booking([1000, 1000, 0]) == Bill(2000, 200, 220, 2420)
    assert terms.alone(1000).total_minor == 1320


@pytest.mark.parametrize(
    ("terms", "currency", "field"),
    [
        (PriceTerms(ticket_fee_minor=-1), "eur", "ticket_fee_minor"),
        (PriceTerms(booking_fee_minor=AMOUNT_MINOR_MAX + 1), "eur", "booking_fee_minor"),
        (PriceTerms(ticket_fee_minor=125), "kwd", "ticket_fee_minor"),
        (PriceTerms(booking_fee_minor=150), "isk", "booking_fee_minor"),
        (PriceTerms(ticket_fee_bp=WHOLE_BP + 1), "eur", "ticket_fee_bp"),
        (PriceTerms(tax_bp=-1), "eur", "tax_bp"),
    ],
)
def test_terms_that_make_no_sense_name_the_field(terms, currency, field):
    with pytest.raises(BadRequest) as refused:
        checked(terms, currency)

    assert refused.value.field == field


def test_terms_at_the_limits_are_taken_with_the_unit_of_their_currency():
    terms = PriceTerms(booking_fee_minor=AMOUNT_MINOR_MAX - 9, ticket_fee_bp=WHOLE_BP, tax_bp=WHOLE_BP)

    assert asdict(checked(terms, "kwd")) == {**asdict(terms), "unit_minor": 10}


@pytest.mark.parametrize(
    ("amount", "currency"), [(5, "kwd"), (1250, "isk"), (-1, "jpy"), (AMOUNT_MINOR_MAX + 1, "eur")]
)
def test_an_amount_that_cannot_be_charged_is_refused(amount, currency):
    with pytest.raises(BadRequest):
        check_amount(amount, currency, field="price_minor")
