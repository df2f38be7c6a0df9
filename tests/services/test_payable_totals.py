"""A total that the payment provider does not take is not held: the lane refuses it and says what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onsale.db import catalogue, code_payable, codes, price_schedule, pricing
from onsale.db.catalogue import NewSection
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.engine import transaction
from onsale.db.price_schedule import NewScheduled
from onsale.db.states import BookingState
from onsale.db.tiers import Tier
from onsale.db.wishes import Wish
from onsale.errors import CodeUnfit, PriceUnpayable
from onsale.web.pages import booking_words
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, an_event, booking, states
from tests.services.selling_codes import TEN_PER_CENT, UNLOCK, a_booking_with, a_code, used

HELD, UNAVAILABLE = BookingState.HELD, BookingState.UNAVAILABLE
STALLS = (NewSection(1, "Stalls", 1_800, rows=1, seats_per_row=6),)
NEARLY_ALL_OFF = NewCode(CodeKind.AMOUNT, amount_minor=1_790)
ALL_OFF = NewCode(CodeKind.PERCENT, percent_bp=10_000)


@pytest.fixture
def event_id(engine):
    return an_event(engine, sections=STALLS)


def test_a_code_that_leaves_less_than_the_bank_takes_is_refused_and_not_used(engine, event_id, shop):
    code = a_code(engine, event_id, NEARLY_ALL_OFF)
    one = a_booking_with(engine, event_id, Wish(quantity=1), [code], number=1)
    two = a_booking_with(engine, event_id, Wish(quantity=2), [code], number=2)

    work_lane(shop, event_id, last_look=True)

    assert states(engine, [one, two]) == [UNAVAILABLE, HELD]
    assert booking(engine, one).reason == "total_too_small"
    assert used(engine, event_id, code) == 1


def test_more_than_the_bank_takes_at_once_is_refused(engine, shop):
    event_id = an_event(engine, sections=(NewSection(1, "Box", 99_999_999, rows=1, seats_per_row=6),))
    one, two = (a_booking(engine, event_id, Wish(quantity=n), number=n) for n in (1, 2))

    work_lane(shop, event_id, last_look=True)

    assert states(engine, [one, two]) == [HELD, UNAVAILABLE]
    assert booking(engine, two).reason == "total_too_large"


def test_a_code_that_took_nothing_off_is_not_used_up(engine, event_id, shop):
    all_of_it = a_code(engine, event_id, replace(ALL_OFF, stackable=True))
    more = a_code(engine, event_id, replace(TEN_PER_CENT, stackable=True))
    free = a_booking_with(engine, event_id, Wish(quantity=1), [all_of_it, more], number=1)

    work_lane(shop, event_id, last_look=True)

    assert (booking(engine, free).state, booking(engine, free).amount_minor) == (HELD, 0)
    assert (used(engine, event_id, all_of_it), used(engine, event_id, more)) == (1, 0)


def test_a_buyer_reads_what_to_do_about_such_a_total():
    small = booking_words.unpayable("total_too_small", least="£0.30", most="£999,999.99")
    large = booking_words.unpayable("total_too_large", least="£0.30", most="£999,999.99")

    assert all(each in small.text for each in ("£0.30", "Take more tickets", "not charged"))
    assert all(each in large.text for each in ("£999,999.99", "fewer", "not charged"))
    assert small.may_choose_again
    assert booking_words.unpayable("taken", least="", most="") is None


def test_a_price_that_nobody_could_pay_alone_is_not_set(engine, event_id):
    def set_to(price_minor=(), tiers=(), **terms):
        with transaction(engine) as connection:
            prices = dict(enumerate(price_minor, start=1))
            of = {1: tiers} if tiers else {}
            pricing.change(connection, event_id, terms=terms, prices_minor=prices, tiers_of=of, actor="test")

    def from_tomorrow(price_minor):
        new = NewScheduled(1, None, price_minor, datetime.now(UTC) + timedelta(days=1))
        with transaction(engine) as connection:
            price_schedule.add(connection, event_id, new, actor="test")

    with pytest.raises(PriceUnpayable, match=r"0\.20 EUR .*0\.50 EUR"):
        set_to([20])
    set_to([20], booking_fee_minor=30)
    with pytest.raises(PriceUnpayable):
        set_to(booking_fee_minor=0)
    set_to([0])
    with pytest.raises(PriceUnpayable):
        set_to([99_999_999])
    with pytest.raises(PriceUnpayable):
        set_to(tiers=[Tier("Adult", 1_800), Tier("Child", 10)])
    with pytest.raises(PriceUnpayable):
        from_tomorrow(10)
    from_tomorrow(20)


@pytest.mark.parametrize(
    ("new", "refused"),
    [
        (NewCode(CodeKind.PERCENT, percent_bp=9_990), True),
        (NewCode(CodeKind.PERCENT, percent_bp=9_900), False),  # Six tickets come to 1.08.
        (NewCode(CodeKind.AMOUNT, amount_minor=6 * 1_800 - 10), False),  # One is free.
        (ALL_OFF, False),
    ],
)
def test_a_code_that_could_only_leave_what_nobody_can_pay_is_not_made(engine, event_id, new, refused):
    if refused:
        with pytest.raises(CodeUnfit, match="less to pay than a bank takes"):
            a_code(engine, event_id, new)
    else:
        assert a_code(engine, event_id, new).used == 0


def test_staff_are_warned_of_a_code_that_leaves_too_little_of_one_ticket(engine, event_id):
    with engine.connect() as connection:
        event = catalogue.event_by_id(connection, event_id)
        warned = [
            code_payable.warning(connection, event, codes.rules_of(new))
            for new in (NEARLY_ALL_OFF, TEN_PER_CENT, ALL_OFF, UNLOCK)
        ]

    assert "Of one ticket of Stalls at 18.00 EUR it leaves 0.10 EUR to pay, and a bank takes 0.50 EUR" in warned[0]
    assert warned[1:] == ["", "", ""]
