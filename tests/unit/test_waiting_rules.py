"""Dealing out what came back: in number order, to who is there, never more than there is."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from onsale.db.ids import BuyerId
from onsale.db.waiting_rules import OFFERS_MAX, FreeSection, InLine, deal, without

LINE = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([(), (1,), (2,)]), st.booleans(), st.booleans(), st.booleans()),
    max_size=30,
).map(lambda people: [one(number, *each) for number, each in enumerate(people, start=1)])
STOCK = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(
    lambda free: {1: FreeSection(free[0], 8000), 2: FreeSection(free[1], 4500)}
)


def one(
    number: int,
    quantity: int = 1,
    sections: tuple[int, ...] = (),
    present: bool = True,
    asked: bool = True,
    rested: bool = True,
    most: int | None = None,
) -> InLine:
    return InLine(BuyerId(UUID(int=number)), number, quantity, sections, most, present, asked, rested)


@given(LINE, STOCK)
def test_nobody_present_is_overtaken_by_a_higher_number_who_wants_no_more(line, stock):
    made = deal(line, stock)

    offered = {each.to.number: each for each in made.offers}
    for before in line:
        if before.number in offered or not (before.present and before.rested):
            continue
        for after in (each for each in made.offers if each.to.number > before.number):
            # What they got would have fitted the earlier one too.
            wanted = not before.section_ids or after.section_id in before.section_ids
            assert not (wanted and after.to.quantity >= before.quantity)


@given(LINE, STOCK)
def test_no_more_is_offered_than_is_free_and_nothing_is_lost(line, stock):
    made = deal(line, stock)

    for section, free in stock.items():
        assert sum(each.to.quantity for each in made.offers if each.section_id == section) <= free.free
    assert made.left + sum(each.to.quantity for each in made.offers) == sum(each.free for each in stock.values())
    assert len({each.to.number for each in made.offers}) == len(made.offers)


@given(LINE, STOCK)
def test_everybody_before_the_last_who_was_offered_something_is_accounted_for(line, stock):
    made = deal(line, stock)

    told = {each.to.number for each in made.offers} | {each.number for each in (*made.absent, *made.unfit)}
    last = max((each.to.number for each in made.offers), default=0)
    assert {each.number for each in line if each.number <= last} <= told


def test_who_was_asked_just_now_holds_up_who_comes_after():
    made = deal([one(1, present=False, asked=False), one(2)], {1: FreeSection(5, 100)})

    assert (made.offers, made.undecided, made.left) == ([], True, 5)


def test_a_section_too_dear_or_not_wanted_is_not_offered():
    stock = {1: FreeSection(3, 8000), 2: FreeSection(3, 4500)}

    made = deal([one(1, most=5000), one(2, sections=(1,), most=5000), one(3, sections=(1,))], stock)

    assert [(each.to.number, each.section_id) for each in made.offers] == [(1, 2), (3, 1)]
    assert [each.number for each in made.unfit] == [2]


def test_a_round_makes_so_many_offers_and_no_more():
    line = [one(number) for number in range(1, OFFERS_MAX + 2)]

    assert len(deal(line, {1: FreeSection(1_000, 1)}).offers) == OFFERS_MAX


def test_what_is_promised_is_not_dealt_again():
    assert without({1: FreeSection(3, 1)}, [(1, 2), (1, 2), (7, 1)])[1].free == 0
