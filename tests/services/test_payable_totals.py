"""A total that the payment provider does not take is not held: the lane refuses it and says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onsale.db.catalogue import NewSection
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.web.pages import booking_words
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, an_event, booking, states
from tests.services.selling_codes import TEN_PER_CENT, a_booking_with, a_code, used

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

    assert "£0.30" in small.text and "Take more tickets" in small.text and small.may_choose_again
    assert "£999,999.99" in large.text and "fewer" in large.text and "not charged" in large.text
    assert booking_words.unpayable("taken", least="", most="") is None
