"""Codes on the record: taken off once by the lane, used as often as allowed, given back with the tickets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from onsale.db import codes, holds, house_reading, lane, refund_requests, sale_log
from onsale.db.allocation import CodeUse, allocate
from onsale.db.catalogue import NewSection
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.engine import transaction
from onsale.db.house import House
from onsale.db.refund_requests import Wanted
from onsale.db.refunds import RefundReason
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import CodeExists, CodeUnfit, NotFound
from onsale.workers import payments
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from tests.builders import (
    a_booking,
    a_buyer,
    an_event,
    booking,
    let_the_hold_run_out,
    open_queue,
    run_sql,
    seat,
    some_buyers,
    states,
)
from tests.services.selling_codes import FIVE_OFF, TEN_PER_CENT, UNLOCK, a_booking_with, a_code, used
from tests.services.small_sale import VISA

HELD, UNAVAILABLE = BookingState.HELD, BookingState.UNAVAILABLE
STALLS_AND_BALCONY = (
    NewSection(1, "Stalls", 5000, rows=1, seats_per_row=6),
    NewSection(2, "Balcony", 3000, rows=1, seats_per_row=6),
)
SINGLE_USE = replace(FIVE_OFF, uses_max=1)
TWO = Wish(quantity=2)


@pytest.fixture
def event_id(engine):
    return an_event(engine, sections=STALLS_AND_BALCONY)


@pytest.fixture
def decide(shop, event_id):
    return lambda: work_lane(shop, event_id, last_look=True)


def outcome(engine, booking_id):
    found = booking(engine, booking_id)
    return found.state, found.amount_minor, found.reason


# What is charged.


def test_codes_reduce_what_is_held_and_the_record_keeps_by_how_much(engine, event_id, decide):
    given = [a_code(engine, event_id, replace(TEN_PER_CENT, stackable=True)), a_code(engine, event_id, FIVE_OFF)]
    with_codes = a_booking_with(engine, event_id, TWO, given, number=1)
    without = a_booking(engine, event_id, TWO, number=2)

    decide()

    # 50.00 less 10 % twice, less 5.00.
    assert outcome(engine, with_codes) == (HELD, 8500, None)
    assert outcome(engine, without) == (HELD, 10_000, None)
    with engine.connect() as connection:
        taken = connection.execute(text("SELECT discount_minor FROM code_uses ORDER BY code_id")).scalars().all()
        off = connection.execute(text("SELECT discount_minor FROM ticket_discounts")).scalars().all()
        prices = connection.execute(
            text("SELECT price_minor FROM booking_tickets WHERE booking_id = :id"), {"id": with_codes}
        )
        assert (taken, off, prices.scalars().all()) == ([1000, 500], [750, 750], [4250, 4250])


def test_a_code_that_takes_everything_off_confirms_without_a_charge(paying_shop, engine):
    event_id = an_event(engine)
    open_queue(paying_shop, event_id)
    free = a_code(engine, event_id, NewCode(CodeKind.PERCENT, percent_bp=10_000))
    held = a_booking_with(engine, event_id, TWO, [free], number=1)

    work_lane(paying_shop, event_id, last_look=True)
    payments.resume(paying_shop, held)

    assert outcome(engine, held) == (BookingState.CONFIRMED, 0, None)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM payments")).scalar() == 0


def test_a_highest_price_and_a_price_shown_are_compared_with_the_reduced_one(engine, event_id, decide):
    code = a_code(engine, event_id, TEN_PER_CENT)
    dear = a_booking_with(engine, event_id, Wish(quantity=1, section_id=1, max_price_minor=4499), [code], number=1)
    shown = a_booking_with(engine, event_id, Wish(quantity=1, section_id=1, max_price_minor=4500), [code], number=2)
    named = Wish(tickets=(seat(event_id, 6),), expected_total_minor=4500)
    exact = a_booking_with(engine, event_id, named, [code], number=3)

    decide()

    assert states(engine, [dear, shown, exact]) == [UNAVAILABLE, HELD, HELD]


# Which tickets.


def test_a_code_for_one_section_finds_tickets_there_and_nothing_is_sold_at_the_full_price_instead(
    engine, event_id, decide
):
    balcony = a_code(engine, event_id, replace(TEN_PER_CENT, section_ids=(2,)))
    anywhere = a_booking_with(engine, event_id, TWO, [balcony], number=1)
    in_the_stalls = a_booking_with(engine, event_id, Wish(quantity=2, section_id=1), [balcony], number=2)
    one_of_each = Wish(tickets=(seat(event_id, 1), seat(event_id, 12)))
    mixed = a_booking_with(engine, event_id, one_of_each, [balcony], number=3)
    too_many = a_booking_with(engine, event_id, Wish(quantity=5), [balcony], number=4)

    decide()

    assert outcome(engine, anywhere) == (HELD, 5400, None)
    assert outcome(engine, in_the_stalls) == (UNAVAILABLE, None, "code_not_for_tickets")
    assert outcome(engine, mixed) == (HELD, 5000 + 2700, None)
    assert outcome(engine, too_many) == (UNAVAILABLE, None, "code_not_for_tickets")


def test_a_section_that_only_a_code_opens_is_not_sold_without_one(engine, event_id, decide):
    with transaction(engine) as connection:
        codes.set_code_only(connection, event_id, [1], actor="test")
    key, other = a_code(engine, event_id, UNLOCK), a_code(engine, event_id, replace(UNLOCK, section_ids=(2,)))
    asked = [
        a_booking(engine, event_id, Wish(quantity=1), number=1),
        a_booking(engine, event_id, Wish(quantity=1, section_id=1), number=2),
        a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=3),
        a_booking_with(engine, event_id, Wish(quantity=1, section_id=1), [other], number=4),
        a_booking_with(engine, event_id, Wish(quantity=1), [key], number=5),
        a_booking_with(engine, event_id, Wish(tickets=(seat(event_id, 6),)), [key], number=6),
    ]

    decide()

    assert [outcome(engine, each) for each in asked] == [
        (HELD, 3000, None),
        (UNAVAILABLE, None, "code_needed"),
        (UNAVAILABLE, None, "code_needed"),
        (UNAVAILABLE, None, "code_needed"),
        (HELD, 5000, None),
        (HELD, 5000, None),
    ]
    assert (used(engine, event_id, key), used(engine, event_id, other)) == (2, 0)


def test_the_nearest_thing_is_not_in_a_section_that_only_a_code_opens(shop, engine):
    sections = [NewSection(n, f"Block {n}", 3000, rows=1, seats_per_row=2) for n in (1, 2)]
    event_id = an_event(engine, sections=sections)
    with transaction(engine) as connection:
        codes.set_code_only(connection, event_id, [2], actor="test")
    first = Wish(tickets=(seat(event_id, 1), seat(event_id, 2)))
    a_booking(engine, event_id, first, number=1)
    similar = a_booking(engine, event_id, replace(first, or_similar=True), number=2)

    work_lane(shop, event_id, last_look=True)

    assert states(engine, [similar]) == [UNAVAILABLE]


def test_a_way_in_that_opened_nothing_is_not_used_up(engine, event_id, decide):
    key = a_code(engine, event_id, replace(UNLOCK, uses_max=1))
    held = a_booking_with(engine, event_id, TWO, [key], number=1)

    decide()

    assert (states(engine, [held]), used(engine, event_id, key)) == ([HELD], 0)


# How often.


def test_of_fifty_who_book_with_one_single_use_code_at_once_one_holds_at_the_reduced_price(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Hall", 4500, standing=100)])
    code = a_code(engine, event_id, SINGLE_USE)
    buyers = some_buyers(engine, 50)

    def book(number: int):
        booked = a_booking_with(engine, event_id, Wish(quantity=1), [code], number=number, buyer_id=buyers[number - 1])
        # Small batches, so that the code is met in one after the other.
        work_lane(shop, event_id, last_look=True, batch_max=3, seconds_max=60)
        return booked

    with ThreadPoolExecutor(10) as pool:
        booked = list(pool.map(book, range(1, 51)))
    work_lane(shop, event_id, last_look=True, seconds_max=60)

    outcomes = [outcome(engine, each) for each in booked]
    assert outcomes.count((HELD, 4000, None)) == 1
    assert outcomes.count((UNAVAILABLE, None, "code_used")) == 49
    assert used(engine, event_id, code) == 1


def test_of_a_batch_the_lowest_number_gets_the_last_use(engine, event_id, decide):
    code = a_code(engine, event_id, SINGLE_USE)
    later = a_booking_with(engine, event_id, TWO, [code], number=2)
    first = a_booking_with(engine, event_id, TWO, [code], number=1)

    decide()

    assert states(engine, [first, later]) == [HELD, UNAVAILABLE]


def test_a_buyer_uses_a_code_as_often_as_one_may(engine, event_id, decide):
    code = a_code(engine, event_id, replace(FIVE_OFF, uses_per_buyer=2))
    buyer = a_buyer(engine)
    mine = [a_booking_with(engine, event_id, Wish(quantity=1), [code], number=n, buyer_id=buyer) for n in (1, 2, 3)]
    decide()
    more = a_booking_with(engine, event_id, Wish(quantity=1), [code], number=4, buyer_id=buyer)
    other = a_booking_with(engine, event_id, Wish(quantity=1), [code], number=5)
    decide()

    assert states(engine, [*mine, more, other]) == [HELD, HELD, UNAVAILABLE, UNAVAILABLE, HELD]


def test_the_record_refuses_a_use_too_many_whatever_the_lane_believed(engine, event_id):
    code = a_code(engine, event_id, SINGLE_USE)
    for number in (1, 2):
        a_booking_with(engine, event_id, Wish(quantity=1), [code], number=number)

    def decide_as_if_there_were_one_more():
        with transaction(engine) as connection:
            assert lane.take(connection, event_id).taken
            batch, house = lane.read_batch(connection, event_id), House()
            named = house_reading.prepare_house(connection, event_id, house, batch)
            house.codes.used[code.id] = -1
            decisions = allocate(batch.requests, house, named)
            assert [each.codes for each in decisions] == [(CodeUse(code.id, 500),)] * 2
            lane.write_batch(connection, event_id, decisions, snapshot=batch.snapshot)

    with pytest.raises(lane.AllocationStale):
        decide_as_if_there_were_one_more()
    assert used(engine, event_id, code) == 0


def test_a_code_that_is_switched_off_is_refused_until_it_is_on_again(engine, event_id, decide):
    code = a_code(engine, event_id, FIVE_OFF)
    with transaction(engine) as connection:
        codes.switch(connection, event_id, code.id, off=True, actor="test")
    off = a_booking_with(engine, event_id, TWO, [code], number=1)
    decide()
    with transaction(engine) as connection:
        codes.switch(connection, event_id, code.id, off=False, actor="test")
    on = a_booking_with(engine, event_id, TWO, [code], number=2)
    decide()

    assert outcome(engine, off) == (UNAVAILABLE, None, "code_over")
    assert states(engine, [on]) == [HELD]


# Given back.


def test_a_use_is_given_back_when_the_hold_runs_out_or_is_cancelled(shop, engine, event_id, decide):
    code = a_code(engine, event_id, SINGLE_USE)
    buyer = a_buyer(engine)
    late = a_booking_with(engine, event_id, TWO, [code], number=1)
    decide()
    let_the_hold_run_out(engine, late)
    sweep(shop)
    cancelled = a_booking_with(engine, event_id, TWO, [code], number=2, buyer_id=buyer)
    decide()
    with transaction(engine) as connection:
        holds.cancel(connection, cancelled, buyer_id=buyer)
    third = a_booking_with(engine, event_id, TWO, [code], number=3)
    decide()

    assert states(engine, [late, cancelled, third]) == [BookingState.EXPIRED, BookingState.CANCELLED, HELD]
    assert used(engine, event_id, code) == 1


def test_a_use_is_given_back_by_a_whole_refund_of_what_was_charged_and_not_by_a_part(paying_shop, engine):
    event_id = an_event(engine)
    open_queue(paying_shop, event_id)
    code = a_code(engine, event_id, SINGLE_USE)
    wish = Wish(tickets=(seat(event_id, 1), seat(event_id, 2)))
    paid = a_booking_with(engine, event_id, wish, [code], number=1, payment_method=VISA)
    work_lane(paying_shop, event_id, last_look=True)
    while states(engine, [paid]) != [BookingState.CONFIRMED]:
        payments.resume(paying_shop, paid)

    def refund(*tickets):
        with transaction(engine) as connection:
            wanted = Wanted(uuid4(), RefundReason.ORGANISER, "test", tickets=tickets or None)
            amount = refund_requests.request(connection, paid, wanted).refund.amount_minor
        run_sql(engine, "UPDATE bookings SET state = 'confirmed', version = version + 1 WHERE id = :id", id=paid)
        return amount, used(engine, event_id, code)

    # 90.00 less 5.00: each ticket bears half of it.
    assert refund(seat(event_id, 1)) == (4250, 1)
    assert refund() == (4250, 0)


# The hot path.


def test_a_batch_without_codes_asks_and_writes_nothing_about_them(shop, engine, event_id, decide):
    a_code(engine, event_id, FIVE_OFF)
    asked: list[str] = []
    # The house is read with the first batch.
    a_booking(engine, event_id, Wish(quantity=1), number=1)
    decide()
    for number in (2, 3):
        a_booking(engine, event_id, Wish(quantity=1), number=number)

    @event.listens_for(shop.lane_engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_):
        asked.append(statement)

    decide()
    plain, asked[:] = len(asked), []
    code = a_code(engine, event_id, FIVE_OFF)
    for number in (4, 5):
        a_booking_with(engine, event_id, Wish(quantity=1), [code], number=number)
    decide()

    assert (plain, len(asked)) == (3, 3 + 2)


# Staff.


def test_what_is_made_is_in_the_sale_log_without_the_codes_themselves(engine, event_id):
    with transaction(engine) as connection:
        made = codes.make(connection, event_id, SINGLE_USE, codes.random_codes(20), actor="staff:1")
        codes.switch(connection, event_id, made[0].id, off=True, actor="staff:1")
        codes.switch(connection, event_id, made[0].id, off=True, actor="staff:1")
        codes.set_code_only(connection, event_id, [2, 2], actor="staff:1")
        codes.set_code_only(connection, event_id, [2], actor="staff:1")
        lines = sale_log.read(connection, event_id)[1:]

    assert len({one.code for one in made}) == 20
    assert [line.kind for line in lines] == ["codes_made", "code_switched", "code_only_changed"]
    assert {line.actor for line in lines} == {"staff:1"}
    assert not any(one.code in str(line.body) for one in made for line in lines)


def test_a_code_is_made_once_at_an_event_and_again_at_another(engine, event_id):
    a_code(engine, event_id, FIVE_OFF, "SPRING")

    with pytest.raises(CodeExists):
        a_code(engine, event_id, FIVE_OFF, "SPRING")
    assert a_code(engine, an_event(engine), FIVE_OFF, "SPRING").code == "SPRING"


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewCode(CodeKind.AMOUNT), "amount_minor"),
        (NewCode(CodeKind.PERCENT, amount_minor=100), "amount_minor"),
        (NewCode(CodeKind.PERCENT), "percent_bp"),
        (NewCode(CodeKind.UNLOCK, percent_bp=100), "percent_bp"),
        (NewCode(CodeKind.EARLY), "presale_from"),
        (replace(FIVE_OFF, section_ids=()), "sections"),
        (replace(FIVE_OFF, uses_max=0), "uses_max"),
        (replace(FIVE_OFF, uses_per_buyer=codes.USES_MAX + 1), "uses_per_buyer"),
        (replace(FIVE_OFF, note="x" * 81), "note"),
    ],
)
def test_a_code_that_makes_no_sense_is_refused_with_the_field(engine, event_id, new, field):
    with pytest.raises(CodeUnfit) as refused:
        a_code(engine, event_id, new)

    assert refused.value.field == field


def test_a_code_is_for_sections_that_are_there(engine, event_id):
    with pytest.raises(NotFound):
        a_code(engine, event_id, replace(FIVE_OFF, section_ids=(2, 3)))
    with transaction(engine) as connection, pytest.raises(NotFound):
        codes.set_code_only(connection, event_id, [3], actor="test")


def test_codes_are_listed_page_by_page_newest_first(engine, event_id):
    with transaction(engine) as connection:
        made = codes.make(connection, event_id, UNLOCK, codes.random_codes(codes.PAGE_MAX + 1), actor="test")

        assert [one.id for one in codes.all_of_event(connection, event_id)] == [one.id for one in made][::-1]
