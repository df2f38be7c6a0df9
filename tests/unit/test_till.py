"""What a booking may come to: within what the payment provider takes at once, or nothing is held."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.allocation import Decision, NamedTicket, Outcome, Refusal, Request, allocate
from onsale.db.code_book import CodeBook
from onsale.db.code_rules import Code, CodeKind
from onsale.db.house import House, Run, SectionIndex
from onsale.db.ids import BookingId, BuyerId, TicketId
from onsale.db.price_terms import PriceTerms
from onsale.db.prices import AMOUNT_MINOR_MAX, LEAST_CHARGE_MINOR, charge_bounds, charge_unit_minor
from onsale.db.wishes import Wish
from onsale.sandbox.stripe_simulator import currencies

SEATS = 6
CURRENCIES = ("eur", "gbp", "jpy", "huf", "kwd", "isk")


def hall(currency: str, *prices: int, terms: PriceTerms | None = None, codes: tuple[Code, ...] = ()) -> House:
    """A section of a row of seats for each price."""
    unit = charge_unit_minor(currency)
    book = CodeBook(codes={code.id: code for code in codes}, unit_minor=unit)
    house = House(terms=terms or PriceTerms(unit_minor=unit), codes=book, bounds=charge_bounds(currency))
    rows = [(id_, price, Run(1, 1, TicketId(id_ * 100), SEATS, 2**SEATS - 1)) for id_, price in enumerate(prices, 1)]
    house.put([SectionIndex.of_runs(id_, [run], price_minor=price, changes=0) for id_, price, run in rows])
    return house


def decide(house: House, *wishes: Wish) -> Decision:
    named = {
        row.ticket_at(n): NamedTicket(row.ticket_at(n), one.id, 1, n + 1, one.price_minor, True)
        for one in house.sections.values()
        for row in one.rows
        for n in range(row.width)
    }
    asked = Request(BookingId(UUID(int=1)), 1, BuyerId(UUID(int=1)), wishes, 0, 50, code_ids=tuple(house.codes.codes))
    (decision,) = allocate([asked], house, named)
    return decision


def off(minor: int) -> Code:
    return Code(1, CodeKind.AMOUNT, amount_minor=minor)


def share_off(basis_points: int) -> Code:
    return Code(1, CodeKind.PERCENT, percent_bp=basis_points)


@pytest.mark.parametrize(
    ("price", "code", "quantity", "refusal"),
    [
        (1_800, off(1_771), 1, Refusal.TOTAL_TOO_SMALL),
        (1_800, off(1_770), 1, None),
        (1_800, off(1_800), 1, None),  # Free.
        (1_800, off(1_790), 2, None),
        (1_800, share_off(9_900), 1, Refusal.TOTAL_TOO_SMALL),
        (29, None, 1, Refusal.TOTAL_TOO_SMALL),
        (29, None, 2, None),
        (AMOUNT_MINOR_MAX, None, 1, None),
        (AMOUNT_MINOR_MAX, None, 2, Refusal.TOTAL_TOO_LARGE),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_total_that_the_bank_does_not_take_is_refused_by_name(price, code, quantity, refusal, named):
    house = hall("gbp", price, codes=(code,) if code else ())

    wish = Wish(tickets=tuple(TicketId(100 + n) for n in range(quantity))) if named else Wish(quantity=quantity)
    decision = decide(house, wish)

    assert decision.reason == refusal
    assert decision.outcome is (Outcome.UNAVAILABLE if refusal else Outcome.HELD)


def test_fees_on_top_count():
    just_enough, just_too_much = PriceTerms(booking_fee_minor=10), PriceTerms(booking_fee_minor=1)

    assert decide(hall("gbp", 20, terms=just_enough), Wish(quantity=1)).bill.total_minor == 30
    assert decide(hall("gbp", 20, terms=just_too_much), Wish(quantity=1)).reason is Refusal.TOTAL_TOO_SMALL
    assert decide(hall("gbp", AMOUNT_MINOR_MAX, terms=just_too_much), Wish(quantity=1)).reason is (
        Refusal.TOTAL_TOO_LARGE
    )


def test_another_section_and_another_wish_are_taken_where_they_can_be_paid():
    house = hall("gbp", 1_800, 5_000, codes=(off(1_790),))

    assert decide(house, Wish(quantity=1)).tickets[0].section_id == 2
    assert decide(house, Wish(quantity=1, section_id=1), Wish(quantity=2, section_id=1)).wish == 1


def test_what_is_gone_is_told_before_what_could_not_be_paid():
    house = hall("gbp", 20)

    assert decide(house, Wish(quantity=SEATS + 1, section_id=1)).reason is Refusal.NONE_FREE
    assert decide(hall("gbp", 5), Wish(quantity=SEATS + 1, section_id=1)).reason is Refusal.NONE_FREE
    assert decide(hall("gbp", 5), Wish(quantity=SEATS - 1, section_id=1)).reason is Refusal.TOTAL_TOO_SMALL


@st.composite
def sales(draw):
    """Sections, fees, tax and a few codes in some currency, and what somebody asks for."""
    currency = draw(st.sampled_from(CURRENCIES))
    unit = charge_unit_minor(currency)
    amounts = st.one_of(st.integers(0, 40), st.integers(0, 400), st.integers(0, AMOUNT_MINOR_MAX // unit))
    of_units = amounts.map(lambda n: n * unit)
    codes = draw(
        st.lists(
            st.builds(Code, st.just(0), st.just(CodeKind.AMOUNT), of_units, stackable=st.just(True))
            | st.builds(
                Code, st.just(0), st.just(CodeKind.PERCENT), percent_bp=st.integers(1, 10_000), stackable=st.just(True)
            ),
            max_size=3,
        )
    )
    numbered = tuple(
        Code(n, code.kind, code.amount_minor, code.percent_bp, stackable=True) for n, code in enumerate(codes, 1)
    )
    terms = PriceTerms(
        ticket_fee_minor=draw(of_units),
        ticket_fee_bp=draw(st.integers(0, 10_000)),
        booking_fee_minor=draw(of_units),
        tax_bp=draw(st.integers(0, 10_000)),
        tax_included=draw(st.booleans()),
        unit_minor=unit,
    )
    prices = draw(st.lists(of_units, min_size=1, max_size=3))
    named = Wish(tickets=tuple(TicketId(100 + n) for n in range(draw(st.integers(1, SEATS)))))
    best = Wish(quantity=draw(st.integers(1, SEATS)))
    house = hall(currency, *prices, terms=draw(st.sampled_from([terms, PriceTerms(unit_minor=unit)])), codes=numbered)
    return currency, house, draw(st.sampled_from([named, best]))


@given(sales())
def test_whatever_is_held_can_be_paid_and_what_is_refused_for_its_total_could_not_be(sale):
    currency, house, wish = sale
    least, most = charge_bounds(currency)

    decision = decide(house, wish)

    total = decision.bill.total_minor
    if decision.outcome is Outcome.HELD:
        assert total == 0 or least <= total <= most
        assert all(use.discount_minor for use in decision.codes), "a code that took nothing off is not used up"
        return
    # Every seat is free and no other rule applies: nothing but the total can have been in the way.
    assert decision.reason in (Refusal.TOTAL_TOO_SMALL, Refusal.TOTAL_TOO_LARGE)
    house.bounds = type(house.bounds)()
    total = decide(house, wish).bill.total_minor
    assert 0 < total < least or total > most


def test_the_simulator_takes_what_is_held_to_be_taken():
    known = set(LEAST_CHARGE_MINOR) | set(currencies.MINIMUMS) | {"kwd", "krw"}

    assert {code: charge_bounds(code).least_minor for code in known} == {
        code: currencies.MINIMUMS.get(code, currencies.MINIMUM) for code in known
    }
    assert charge_bounds("EUR").most_minor == currencies.MAXIMUM
