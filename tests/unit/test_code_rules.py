"""What codes take off: the order, the rounding, who may go with whom, and what no codes and no prices can break."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.code_rules import (
    CODE_CHARACTERS_MAX,
    Code,
    CodeKind,
    Line,
    divided,
    go_together,
    normalised,
    reduce,
)
from onsale.db.price_terms import WHOLE_BP

AMOUNT, PERCENT, UNLOCK, EARLY = CodeKind.AMOUNT, CodeKind.PERCENT, CodeKind.UNLOCK, CodeKind.EARLY
UNITS = st.sampled_from([1, 10, 100])


@st.composite
def cases(draw):
    """Tickets in up to three sections, and up to four codes, in a currency of any unit."""
    unit = draw(UNITS)
    prices = st.integers(0, 50_000).map(lambda n: n * unit)
    lines = draw(st.lists(st.builds(Line, st.integers(1, 3), prices), min_size=1, max_size=8))
    sections = st.none() | st.frozensets(st.integers(1, 3), min_size=1)
    amounts = st.builds(
        Code, st.just(0), st.just(AMOUNT), st.integers(1, 90_000).map(lambda n: n * unit), st.just(0), sections
    )
    percents = st.builds(Code, st.just(0), st.just(PERCENT), st.just(0), st.integers(1, WHOLE_BP), sections)
    ways_in = st.builds(Code, st.just(0), st.sampled_from([UNLOCK, EARLY]), st.just(0), st.just(0), sections)
    drawn = draw(st.lists(amounts | percents | ways_in, max_size=4))
    return lines, [renumbered(code, number) for number, code in enumerate(drawn, start=1)], unit


def renumbered(code: Code, number: int) -> Code:
    return Code(number, code.kind, code.amount_minor, code.percent_bp, code.section_ids)


def percent(basis_points: int, *, number: int = 1, sections=None, stackable: bool = False) -> Code:
    return Code(number, PERCENT, percent_bp=basis_points, section_ids=sections, stackable=stackable)


def amount(minor: int, *, number: int = 1, sections=None, stackable: bool = False) -> Code:
    return Code(number, AMOUNT, amount_minor=minor, section_ids=sections, stackable=stackable)


@given(cases())
def test_no_price_falls_below_nothing_rises_or_stops_being_chargeable(case):
    lines, codes, unit = case

    left = reduce(lines, codes, unit_minor=unit).prices_minor

    assert len(left) == len(lines)
    assert all(0 <= price <= line.price_minor for price, line in zip(left, lines, strict=True))
    assert all(price % unit == 0 for price in left)


@given(cases())
def test_what_the_codes_took_off_is_what_is_missing(case):
    lines, codes, unit = case

    reduced = reduce(lines, codes, unit_minor=unit)

    assert sum(reduced.taken_off.values()) == sum(line.price_minor for line in lines) - sum(reduced.prices_minor)
    assert set(reduced.taken_off) == {code.id for code in codes if code.takes_off}


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_in_which_codes_are_typed_means_nothing(case, chance: random.Random):
    lines, codes, unit = case
    shuffled = list(codes)
    chance.shuffle(shuffled)

    assert reduce(lines, shuffled, unit_minor=unit) == reduce(lines, codes, unit_minor=unit)


@given(cases())
def test_a_code_takes_nothing_off_a_ticket_that_it_is_not_for(case):
    lines, codes, unit = case

    left = reduce(lines, codes, unit_minor=unit).prices_minor

    for price, line in zip(left, lines, strict=True):
        if not any(code.takes_off and code.covers(line.section_id) for code in codes):
            assert price == line.price_minor


@given(cases())
def test_an_amount_is_taken_once_and_whole_as_far_as_there_is_something_to_take_it_off(case):
    lines, codes, unit = case
    after_percent = reduce(lines, [code for code in codes if code.kind is PERCENT], unit_minor=unit).prices_minor

    for code in (code for code in codes if code.kind is AMOUNT):
        alone = [one for one in codes if one.kind is PERCENT or one is code]
        bearing = sum(p for p, line in zip(after_percent, lines, strict=True) if code.covers(line.section_id))
        assert reduce(lines, alone, unit_minor=unit).taken_off[code.id] == min(code.amount_minor, bearing)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 2_000), max_size=9), UNITS)
def test_parts_of_an_amount_are_whole_units_by_price_and_together_all_of_it(amount_units, price_units, unit):
    prices = [price * unit for price in price_units]

    parts = divided(amount_units * unit, prices, unit_minor=unit)

    assert sum(parts) == min(amount_units * unit, sum(prices))
    assert all(part % unit == 0 and 0 <= part <= price for part, price in zip(parts, prices, strict=True))
    whole = sum(prices)
    if whole:
        exact = [sum(parts) * price / whole for price in prices]
        assert all(abs(part - fair) <= unit for part, fair in zip(parts, exact, strict=True))


@pytest.mark.parametrize(
    ("codes", "left"),
    [
        ([percent(1_000)], (4050, 2700)),
        # Half a cent is rounded up, on its ticket: 33.33 % of 45.00 is 14.9985.
        ([percent(3_333)], (3000, 2000)),
        # 10 % and 20 % are 30 %, of the full price each.
        ([percent(1_000, stackable=True), percent(2_000, number=2)], (3150, 2100)),
        ([amount(750)], (4050, 2700)),
        # Percent before amount, whichever was made first.
        ([amount(675, number=1, stackable=True), percent(1_000, number=2)], (3645, 2430)),
        ([amount(100_000)], (0, 0)),
        ([percent(10_000)], (0, 0)),
        ([percent(10_000, stackable=True), amount(500, number=2)], (0, 0)),
        ([amount(500, sections=frozenset({2}))], (4500, 2500)),
        ([Code(1, UNLOCK), Code(2, EARLY)], (4500, 3000)),
    ],
)
def test_what_is_left_of_two_tickets(codes, left):
    assert reduce([Line(1, 4500), Line(2, 3000)], codes, unit_minor=1).prices_minor == left


def test_dinars_stay_in_tens_of_fils():
    assert reduce([Line(1, 12_490)], [percent(333)], unit_minor=10).prices_minor == (12_070,)


@pytest.mark.parametrize(
    ("codes", "together"),
    [
        ([], True),
        ([percent(1)], True),
        ([percent(1), amount(1, number=2)], False),
        ([percent(1, stackable=True), amount(1, number=2)], True),
        ([percent(1, stackable=True), amount(1, number=2, stackable=True)], True),
        ([percent(1), Code(2, UNLOCK), Code(3, EARLY)], True),
    ],
)
def test_at_most_one_code_that_takes_something_off_is_not_stackable(codes, together):
    assert go_together(codes) is together


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("SPRING10", "SPRING10"),
        (" spring-10\n", "SPRING10"),
        ("sp ri\u2013ng_10", "SPRING10"),
        ("ab", None),
        ("", None),
        ("-- --", None),
        ("SPRING%", None),
        ("\uff33\uff30\uff32", None),
        ("caf\u00e9", None),
        ("A" * CODE_CHARACTERS_MAX, "A" * CODE_CHARACTERS_MAX),
        ("A" * (CODE_CHARACTERS_MAX + 1), None),
        ("A" * 10_000, None),
    ],
)
def test_case_spaces_and_dashes_of_a_code_do_not_count(typed, code):
    assert normalised(typed) == code
