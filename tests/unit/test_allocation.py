"""The allocator: its rules by example, and what must hold for any house and any wishes."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.db.allocation import (
    Decision,
    NamedTicket,
    Outcome,
    Refusal,
    Request,
    allocate,
    put_back,
)
from onsale.db.house import House, Place, Row, Run, SectionIndex
from onsale.db.ids import BookingId, BuyerId, TicketId
from onsale.db.wishes import Wish, sections_needed, tickets_named

# A hall is written as its rows: "." is free, "x" is not, " " is no seat at all. Ticket ids count up through the hall.


def section(*rows: str, id_: int = 1, price: int = 5000, first_ticket: int | None = None) -> SectionIndex:
    runs, ticket = [], first_ticket or id_ * 1000
    for number, row in enumerate(rows, start=1):
        position = 0
        while position < len(row):
            end = position
            while end < len(row) and row[end] != " ":
                end += 1
            if end > position:
                free = sum(1 << n for n, seat in enumerate(row[position:end]) if seat == ".")
                runs.append(Run(number, position + 1, TicketId(ticket), end - position, free))
                ticket += end - position
            position = end + 1
    return SectionIndex.of_runs(id_, runs, price_minor=price, changes=0)


def general(free: str, *, id_: int = 9, price: int = 3000) -> SectionIndex:
    bits = sum(1 << n for n, place in enumerate(free) if place == ".")
    run = Run(0, 1, TicketId(id_ * 1000), len(free), bits)
    return SectionIndex.of_runs(id_, [run], price_minor=price, changes=0, general=True)


def house(*sections: SectionIndex) -> House:
    built = House()
    built.put(sections)
    return built


def request(*wishes: Wish, number: int = 1, buyer: int | None = None, taken: int = 0, limit: int = 50) -> Request:
    return Request(
        BookingId(UUID(int=number)), 1, BuyerId(UUID(int=number if buyer is None else buyer)), wishes, taken, limit
    )


def seats(decision: Decision) -> list[tuple[int, int]]:
    return [(ticket.row_number, ticket.seat_number) for ticket in decision.tickets]


def named(*sections: SectionIndex) -> dict[TicketId, NamedTicket]:
    """Every ticket of these sections, as the record would have it."""
    return {
        row.ticket_at(n): NamedTicket(
            row.ticket_at(n), one.id, row.number, row.first_seat + n, one.price_minor, bool(row.free >> n & 1)
        )
        for one in sections
        for row in one.rows
        for n in range(row.width)
    }


def decide(hall: House, *wishes: Wish) -> Decision:
    (decision,) = allocate([request(*wishes)], hall, named(*hall.sections.values()))
    return decision


# Which block is best.


@pytest.mark.parametrize(
    ("row", "quantity", "first_seat"),
    [
        ("..........", 2, 5),  # In the middle,
        (".........", 1, 5),
        ("..........", 4, 4),
        ("xxxx......", 2, 5),  # next to what is taken rather than leaving a seat alone,
        ("xxxx.....x", 2, 5),
        ("...xxxx...", 2, 2),  # towards the middle,
        ("..x....x..", 2, 4),
        ("x.x..x.xx.", 1, 7),  # into single seats first.
        ("...x......", 3, 5),
        ("..........", 10, 1),
        ("...", 2, 1),  # One alone cannot be helped here.
    ],
)
def test_the_best_block_of_a_row(row, quantity, first_seat):
    decision = decide(house(section(row)), Wish(quantity=quantity))

    assert seats(decision) == [(1, first_seat + n) for n in range(quantity)]


def test_the_front_row_wins_over_the_middle():
    decision = decide(house(section("x..xx", ".....")), Wish(quantity=2))

    assert seats(decision) == [(1, 2), (1, 3)]


def test_an_aisle_is_no_neighbour():
    decision = decide(house(section(". .", "...")), Wish(quantity=2))

    assert seats(decision)[0][0] == 2


def test_a_block_of_neighbours_is_never_split_unless_allowed():
    hall = house(section("..x.", ".x.."))

    assert decide(hall, Wish(quantity=3)).outcome is Outcome.UNAVAILABLE
    assert len(decide(hall, Wish(quantity=3, together=False)).tickets) == 3


def test_those_who_may_be_split_still_sit_together_where_they_can():
    decision = decide(house(section("..x..", ".....")), Wish(quantity=3, together=False))

    assert {row for row, _ in seats(decision)} == {2}


def test_general_admission_gives_any_units():
    hall = house(general("x.x.x."))

    assert [ticket.ticket_id for ticket in decide(hall, Wish(quantity=3)).tickets] == [9001, 9003, 9005]


# Which section.


def test_the_organisers_order_decides_between_sections():
    hall = house(section("....", id_=2, price=100), section("....", id_=1, price=9000))

    assert {ticket.section_id for ticket in decide(hall, Wish(quantity=2)).tickets} == {1}


def test_the_highest_price_is_a_limit():
    hall = house(section("....", id_=1, price=9000), section("....", id_=2, price=8000))

    assert {ticket.section_id for ticket in decide(hall, Wish(quantity=2, max_price_minor=8000)).tickets} == {2}
    assert decide(hall, Wish(quantity=2, max_price_minor=7999)).reason is Refusal.NONE_FREE


def test_a_named_section_is_the_only_one_looked_at():
    hall = house(section("....", id_=1), section("xxxx", id_=2))

    assert decide(hall, Wish(quantity=1, section_id=2)).outcome is Outcome.UNAVAILABLE


# Named tickets.


def test_named_tickets_are_all_given_or_none():
    hall = house(section(".x.."))

    refused = decide(hall, Wish(tickets=(TicketId(1000), TicketId(1001))))
    given_ = decide(hall, Wish(tickets=(TicketId(1000), TicketId(1003))))

    assert (refused.outcome, refused.reason) == (Outcome.UNAVAILABLE, Refusal.TAKEN)
    assert seats(given_) == [(1, 1), (1, 4)]


def test_a_ticket_that_does_not_exist_is_named_as_such():
    assert decide(house(section("....")), Wish(tickets=(TicketId(77),))).reason is Refusal.NO_SUCH_TICKET


def test_or_similar_looks_in_the_same_section_first_then_in_one_of_the_same_price():
    wish = Wish(tickets=(TicketId(1000), TicketId(1001)), or_similar=True)

    here = decide(house(section("x...", id_=1), section("....", id_=2)), wish)
    there = decide(
        house(section("x.x.", id_=1), section("....", id_=2, price=1), section("....", id_=3, price=5000)), wish
    )

    assert {ticket.section_id for ticket in here.tickets} == {1}
    assert {ticket.section_id for ticket in there.tickets} == {3}


def test_or_similar_never_gives_another_price():
    hall = house(section("x.x.", id_=1), section("....", id_=2, price=4999))

    decision = decide(hall, Wish(tickets=(TicketId(1000), TicketId(1001)), or_similar=True))

    assert decision.outcome is Outcome.UNAVAILABLE


# Order, limits, wishes.


def test_the_lower_number_gets_the_seat_both_want():
    hall = house(section("."))
    wish = Wish(tickets=(TicketId(1000),))

    first, second = allocate([request(wish, number=1), request(wish, number=2)], hall, named(*hall.sections.values()))

    assert (first.outcome, second.outcome) == (Outcome.HELD, Outcome.UNAVAILABLE)


def test_what_one_took_by_name_is_not_best_for_the_next():
    hall = house(section("..."))
    tickets = named(*hall.sections.values())

    _, second = allocate([request(Wish(tickets=(TicketId(1001),))), request(Wish(quantity=1), number=2)], hall, tickets)

    assert seats(second) != [(1, 2)]


def test_wishes_are_tried_in_the_order_of_preference():
    decision = decide(house(section("..", id_=1)), Wish(quantity=3), Wish(tickets=(TicketId(5),)), Wish(quantity=2))

    assert (decision.wish, len(decision.tickets)) == (2, 2)


def test_a_buyer_never_passes_the_limit_even_within_a_batch():
    hall = house(section("........"))
    requests = [request(Wish(quantity=2), number=number, buyer=5, taken=1, limit=4) for number in (1, 2)]

    first, second = allocate(requests, hall, {})

    assert (first.outcome, second.outcome, second.reason) == (
        Outcome.HELD,
        Outcome.UNAVAILABLE,
        Refusal.BUYER_LIMIT,
    )


def test_a_smaller_wish_still_fits_under_the_limit():
    hall = house(section("...."))

    (decision,) = allocate([request(Wish(quantity=3), Wish(quantity=1), taken=2, limit=3)], hall, {})

    assert (decision.wish, len(decision.tickets)) == (1, 1)


def test_only_the_sections_somebody_may_get_are_needed():
    seat = Wish(tickets=(TicketId(1),))

    assert sections_needed([seat]) == frozenset()
    assert sections_needed([seat, Wish(quantity=1, section_id=3)]) == {3}
    assert sections_needed([Wish(quantity=1)]) is None
    assert sections_needed([Wish(tickets=(TicketId(1),), or_similar=True)]) is None
    assert tickets_named([seat, Wish(quantity=1)]) == {1}


# What must hold for any house and any wishes.

rows = st.lists(
    st.text(alphabet=".x ", min_size=1, max_size=14).filter(lambda row: row.strip()), min_size=1, max_size=4
)
quantities = st.integers(1, 5)
best_wishes = st.builds(
    Wish,
    quantity=quantities,
    section_id=st.none() | st.integers(1, 3),
    max_price_minor=st.none() | st.sampled_from([100, 200, 300]),
    together=st.booleans(),
)
named_wishes = st.builds(
    Wish,
    tickets=st.lists(st.integers(1000, 1040).map(TicketId), min_size=1, max_size=4, unique=True).map(tuple),
    or_similar=st.booleans(),
)
wish_lists = st.lists(st.lists(st.one_of(best_wishes, named_wishes), min_size=1, max_size=3), min_size=1, max_size=12)


@st.composite
def houses(draw: st.DrawFn) -> House:
    prices = draw(st.lists(st.sampled_from([100, 200, 300]), min_size=2, max_size=3))
    sections = [section(*draw(rows), id_=n, price=price) for n, price in enumerate(prices, start=1)]
    sections.append(general(draw(st.text(alphabet=".x", min_size=1, max_size=12)), id_=len(sections) + 1, price=200))
    return house(*sections)


def free_tickets(hall: House) -> set[TicketId]:
    return {
        row.ticket_at(n)
        for one in hall.sections.values()
        for row in one.rows
        for n in range(row.width)
        if row.free >> n & 1
    }


@settings(max_examples=100)
@given(houses(), wish_lists)
def test_no_ticket_is_given_twice_and_only_free_ones_are_given(hall, wish_lists):
    free = free_tickets(hall)
    tickets = named(*hall.sections.values())

    decisions = allocate([request(*wishes, number=n) for n, wishes in enumerate(wish_lists, 1)], hall, tickets)

    given_ = [ticket.ticket_id for decision in decisions for ticket in decision.tickets]
    assert len(given_) == len(set(given_))
    assert set(given_) <= free
    assert free_tickets(hall) == free - set(given_)


@settings(max_examples=100)
@given(houses(), wish_lists)
def test_what_is_given_is_what_the_wish_asked_for(hall, wish_lists):
    tickets = named(*hall.sections.values())
    requests = [request(*wishes, number=n) for n, wishes in enumerate(wish_lists, 1)]

    for asked, decision in zip(requests, allocate(requests, hall, tickets), strict=True):
        assert (decision.outcome is Outcome.HELD) == bool(decision.tickets)
        if decision.wish is None:
            continue
        wish = asked.wishes[decision.wish]
        assert len(decision.tickets) == wish.size
        assert all(ticket.price_minor <= (wish.max_price_minor or 300) for ticket in decision.tickets)
        assert {ticket.section_id for ticket in decision.tickets} <= {wish.section_id or n for n in range(1, 5)}
        assert all(tickets[ticket.ticket_id].price_minor == ticket.price_minor for ticket in decision.tickets)
        row_numbers = {ticket.row_number for ticket in decision.tickets}
        if wish.quantity and wish.together and row_numbers != {0}:
            numbers = sorted(ticket.seat_number for ticket in decision.tickets)
            assert len(row_numbers) == 1
            assert numbers == list(range(numbers[0], numbers[0] + wish.size))


@settings(max_examples=60)
@given(houses(), wish_lists)
def test_nobody_is_refused_what_is_there(hall, wish_lists):
    tickets = named(*hall.sections.values())
    requests = [request(*wishes, number=n) for n, wishes in enumerate(wish_lists, 1)]

    decisions = allocate(requests, hall, tickets)

    for asked, decision in zip(requests, decisions, strict=True):
        if decision.outcome is Outcome.HELD:
            continue
        # A house only gets emptier: what could be met in the end could have been met then.
        still_free = {one.id: one for one in named(*hall.sections.values()).values() if one.free}
        for wish in asked.wishes:
            assert not (wish.tickets and all(ticket in still_free for ticket in wish.tickets))
            assert not (wish.quantity and any(_room(one, wish) for one in hall.sections.values()))


def _room(one: SectionIndex, wish: Wish) -> bool:
    """By brute force: whether the section has what is wished for."""
    if wish.section_id not in (None, one.id) or one.price_minor > (wish.max_price_minor or 300):
        return False
    if one.general or not wish.together:
        return one.free >= wish.quantity
    return any("1" * wish.quantity in f"{row.free:b}" for row in one.rows)


@settings(max_examples=60)
@given(houses(), wish_lists)
def test_a_batch_that_was_not_written_is_undone_exactly(hall, wish_lists):
    before = free_tickets(hall)
    tickets = named(*hall.sections.values())
    requests = [request(*wishes, number=n) for n, wishes in enumerate(wish_lists, 1)]

    first = allocate(requests, hall, tickets)
    put_back(hall, first)

    assert free_tickets(hall) == before
    assert allocate(requests, hall, tickets) == first


@given(st.text(alphabet=".x", min_size=1, max_size=40), st.integers(1, 6))
def test_the_block_of_a_row_is_the_best_by_brute_force(text, quantity):
    row = Row(1, [Run(1, 1, TicketId(1), len(text), sum(1 << n for n, seat in enumerate(text) if seat == "."))])

    def badness(start: int) -> tuple[int, int, int]:
        left = start >= 1 and text[start - 1] == "." and (start < 2 or text[start - 2] != ".")
        end = start + quantity
        right = end < len(text) and text[end] == "." and (end + 1 >= len(text) or text[end + 1] != ".")
        return left + right, abs(2 * start + quantity - len(text)), start

    possible = [n for n in range(len(text) - quantity + 1) if set(text[n : n + quantity]) == {"."}]

    assert row.best_start(quantity) == (min(possible, key=badness) if possible else -1)


# What a worker keeps between batches.


def test_a_house_says_which_sections_are_unknown_or_old():
    hall = house(section("..", id_=1), section("..", id_=2))
    hall.sections[2].changes = 5

    assert hall.missing([1, 2, 3, 4], {1: 1, 2: 5, 3: 0}) == (1, 3)


def test_a_house_is_as_new_as_its_own_batch_unless_somebody_else_changed_it_too():
    hall = house(section("..", id_=1), section("..", id_=2))

    hall.wrote({1: 1, 2: 2, 3: 1})

    assert hall.missing([1, 2], {1: 1, 2: 2}) == (2,)


def test_a_place_added_since_the_house_was_read_is_left_to_the_record():
    one = section("...")

    one.take([Place(TicketId(5), 7, 1), Place(TicketId(5), 1, 9)])
    one.put_back([Place(TicketId(5), 7, 1), Place(TicketId(5), 1, 9)])

    assert one.free == 3


def test_a_batch_of_a_hundred_in_a_stadium_takes_milliseconds():
    hall = house(*(section(*["." * 50] * 25, id_=n, first_ticket=n * 10_000) for n in range(1, 41)))
    requests = [request(Wish(quantity=2), number=n) for n in range(1, 101)]

    started = time.process_time()
    decisions = allocate(requests, hall, {})
    spent_ms = (time.process_time() - started) * 1000

    assert all(decision.outcome is Outcome.HELD for decision in decisions)
    # Measured: 1.3 ms. Wide enough for a slow machine; reading the house would be seconds.
    assert spent_ms < 50
