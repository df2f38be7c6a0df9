"""What pages say of a price, and what they showed, as a form sends it back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from onsale.db.price_terms import NO_TERMS, PriceTerms
from onsale.db.tiers import ShownTier
from onsale.errors import BadRequest
from onsale.web.pages.price_words import SHOWN_CHARACTERS_MAX, price_pattern, price_words, rate, shown, shown_prices


@dataclass(frozen=True)
class Section:
    id: int
    each_minor: int
    tiers: tuple[ShownTier, ...] = ()


@dataclass(frozen=True)
class Event:
    """As much of an event as prices need."""

    terms: PriceTerms = NO_TERMS
    currency: str = "eur"
    sections: tuple[Section, ...] = (Section(1, 5500), Section(2, 4000), Section(3, 0))


FEES = PriceTerms(ticket_fee_minor=150, booking_fee_minor=200)


def test_what_a_page_showed_comes_back_with_its_form():
    event = Event(FEES)

    back = shown({"shown": shown_prices(event)}, event)

    assert [back.in_section(1, 2), back.in_section(2, 1), back.anywhere(2)] == [11200, 4200, 11200]


def test_what_was_shown_of_a_tier_is_known_by_its_name_whatever_the_order():
    adult, child = ShownTier("Adult", 5000, None, 5500, 5500), ShownTier("Child (with proof)", 2500, None, 3000, 2500)
    shown_before = shown_prices(Event(FEES, sections=(Section(1, 5500, (adult, child)), Section(2, 4000))))

    back = shown({"shown": shown_before}, Event(FEES))

    mixed = (None, "Child (with proof)", "Adult")
    assert back.in_section(1, 3, mixed) == 5500 + 2500 + 5500 + 200
    assert (back.in_section(2, 3, mixed), back.anywhere(3, mixed), back.anywhere(1)) == (None, 13_700, 5700)


def test_free_tickets_were_shown_to_cost_nothing_whatever_a_booking_bears():
    assert shown({"shown": "200 3:0"}, Event(FEES)).in_section(3, 4) == 0


def test_a_form_without_prices_binds_a_wish_to_none():
    back = shown({}, Event(FEES))

    assert (back.in_section(1, 2), back.anywhere(2)) == (None, None)


def test_a_section_that_the_house_has_no_more_is_left_out():
    assert shown({"shown": "0 9:100000 2:4000"}, Event()).anywhere(1) == 4000


@pytest.mark.parametrize(
    "text", ["x", "1 2", "1 2:3:4", "-1 2:3", "1 2:-3", "\u0661 2:3", "1" * (SHOWN_CHARACTERS_MAX + 1)]
)
def test_what_no_page_writes_is_refused(text):
    with pytest.raises(BadRequest) as refused:
        shown({"shown": text}, Event())

    assert refused.value.field == "shown"


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (NO_TERMS, ""),
        (PriceTerms(tax_bp=1900), "Prices are what you pay: 19 % tax included."),
        (PriceTerms(ticket_fee_bp=250), "Prices are what you pay: fees of 2.5 % a ticket included."),
        (
            FEES,
            "Prices are what you pay: fees of €1.50 a ticket included."
            " The booking fee of €2.00 is in the price of the first ticket only.",
        ),
        (
            PriceTerms(booking_fee_minor=200),
            "Prices are what you pay: the booking fee included."
            " The booking fee of €2.00 is in the price of the first ticket only.",
        ),
    ],
)
def test_a_page_says_what_is_in_its_prices(terms, words):
    assert price_words(Event(terms)) == words


def test_a_rate_is_written_without_idle_zeros():
    assert [rate(bp) for bp in (1900, 825, 250, 5, 10000)] == ["19 %", "8.25 %", "2.5 %", "0.05 %", "100 %"]


def test_a_price_is_typed_with_its_currencys_digits():
    assert [price_pattern(one) for one in ("eur", "jpy", "kwd")] == [
        "[0-9]+([.][0-9]{1,2})?",
        "[0-9]+",
        "[0-9]+([.][0-9]{1,3})?",
    ]
