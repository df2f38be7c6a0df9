"""What a lost queue is restored to: pure arithmetic on what the record knows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.states import BookingState
from onsale.queue.gaps import Gaps
from onsale.queue.keys import number_place, return_place
from onsale.queue.recovery import RETURNS_GAP, LiveBooking, Mark, admitted_again, hands_free_of, restored, slots_of
from onsale.queue.state import Restored, SlotKind, SlotState

MARK = Mark(serving=100, return_serving=3, issued=400, return_issued=9, at_ms=1_000_000)
S = BookingState


def go_on(mark: Mark | None = MARK, **more: int) -> Restored:
    known = {"last_reserved": 5_000, "journal_last": 390, "return_last": 0}
    known |= {"rate_per_minute": 600, "alive_ms": 1_000_000}
    return restored(mark, **{**known, **more})


def test_a_new_event_starts_from_nothing() -> None:
    fresh = restored(None, last_reserved=0, journal_last=0, return_last=0, rate_per_minute=600, alive_ms=1_000_000)

    assert fresh == Restored(
        issued=0,
        serving=0,
        return_issued=0,
        return_serving=0,
        unknown_first=1,
        return_unknown_first=1,
        seq=0,
        admitted_total=0,
    )


def test_numbers_go_on_behind_the_last_reserved_block() -> None:
    assert go_on().issued == 5_000


def test_serving_is_the_checkpoint_plus_the_rate_for_its_age_and_the_burst() -> None:
    assert go_on().serving == 100 + 20
    assert go_on(alive_ms=1_003_000).serving == 100 + 20 + 30
    assert go_on(alive_ms=1_000_001).serving == 100 + 21


def test_serving_never_passes_what_was_reserved() -> None:
    assert go_on(alive_ms=1_000_000_000).serving == 5_000


def test_a_clock_behind_the_checkpoint_adds_nothing_but_the_burst() -> None:
    assert go_on(alive_ms=0).serving == 120


def test_return_numbers_go_on_behind_any_that_may_have_been_given() -> None:
    assert go_on().return_issued == 9 + RETURNS_GAP
    assert go_on(return_last=50).return_issued == 50 + RETURNS_GAP
    assert go_on(return_last=50).return_serving == 23


def test_a_return_number_given_after_the_checkpoint_is_not_given_twice() -> None:
    nobody_came_back = replace(MARK, return_issued=0, return_serving=0)

    assert go_on(nobody_came_back).return_issued == RETURNS_GAP
    # Where nobody was let in, nobody can have come back.
    assert go_on(replace(nobody_came_back, serving=0), rate_per_minute=0).return_issued == 0


def test_numbers_beyond_journal_and_checkpoint_belong_to_nobody_known() -> None:
    assert go_on().unknown_first == 401
    assert go_on(journal_last=450).unknown_first == 451
    assert go_on(None).unknown_first == 391


def test_runs_are_counted_on_above_any_that_may_have_been_lost() -> None:
    assert go_on(seq=70, alive_ms=1_003_000).seq > 70 + 50


@given(
    serving=st.integers(0, 5_000),
    issued=st.integers(0, 5_000),
    age_ms=st.integers(-10_000, 10**9),
    rate=st.integers(0, 600_000),
    reserved=st.integers(0, 10_000),
)
def test_nothing_restored_is_behind_the_checkpoint_or_beyond_the_block(
    serving: int, issued: int, age_ms: int, rate: int, reserved: int
) -> None:
    mark = Mark(min(serving, reserved), 0, min(issued, reserved), 0, 1_000_000)

    state = go_on(mark, last_reserved=reserved, journal_last=0, rate_per_minute=rate, alive_ms=1_000_000 + age_ms)

    assert mark.serving <= state.serving <= state.issued == reserved
    assert state.unknown_first <= reserved + 1


def test_who_was_let_in_a_moment_ago_may_still_come_in_as_far_as_there_is_room() -> None:
    state = go_on()

    places = admitted_again(state, first=117, return_first=8, taken=[number_place(118), return_place(8)], slots_left=3)

    assert places == (return_place(9), number_place(117), number_place(119))


def test_no_place_is_given_to_numbers_nobody_is_known_to_own() -> None:
    state = go_on(replace(MARK, issued=110), journal_last=105)

    assert admitted_again(state, first=109, return_first=99, taken=[], slots_left=99) == (
        number_place(109),
        number_place(110),
    )
    assert admitted_again(state, first=109, return_first=99, taken=[], slots_left=-1) == ()


def test_no_place_is_given_to_numbers_that_an_earlier_recovery_went_on_behind() -> None:
    state = go_on()
    gaps = Gaps(numbers=((110, 118), (120, 200)), returns=((8, 8),))

    places = admitted_again(state, first=117, return_first=8, taken=[], slots_left=9, gaps=gaps)

    assert places == (return_place(9), number_place(119))


@given(
    ranges=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=5),
    number=st.integers(0, 120),
)
def test_a_number_is_in_a_gap_when_it_is_in_one_of_the_ranges(ranges: list[tuple[int, int]], number: int) -> None:
    gaps, at = [], 0
    for skipped, length in ranges:
        gaps.append((at + skipped + 1, at + skipped + length))
        at += skipped + length

    found = Gaps(numbers=tuple(gaps)).has(number, is_return=False)

    assert found == any(first <= number <= last for first, last in gaps)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (S.QUEUED, SlotKind.UNDECIDED),
        (S.HELD, SlotKind.HOLDING),
        (S.AUTHORISING, SlotKind.HOLDING),
        (S.REQUIRES_ACTION, SlotKind.HOLDING),
        (S.AUTHORISED, SlotKind.HOLDING),
        (S.COMMITTED, SlotKind.DONE),
        (S.CONFIRMED, SlotKind.DONE),
        (S.REFUNDING, SlotKind.DONE),
        (S.REFUNDED, SlotKind.DONE),
        (S.EXPIRED, SlotKind.LAPSED),
        (S.CANCELLED, SlotKind.LAPSED),
        (S.PAYMENT_FAILED, SlotKind.LAPSED),
        (S.SOLD_OUT, SlotKind.LAPSED),
        (S.UNAVAILABLE, SlotKind.LAPSED),
        (S.FAILED, SlotKind.LAPSED),
    ],
)
def test_every_state_of_a_booking_says_what_its_slot_does(state: BookingState, kind: SlotKind) -> None:
    slots = slots_of([LiveBooking(number_place(1), state, 77)], undecided_until_ms=55)

    until_ms = {SlotKind.HOLDING: 77, SlotKind.UNDECIDED: 55}.get(kind, 0)
    assert slots == {number_place(1): SlotState(kind, until_ms)}


def test_a_hands_free_booking_has_no_slot_and_counts_as_present() -> None:
    waiting = [LiveBooking(number_place(8), S.WAITING, None), LiveBooking(return_place(2), S.WAITING, None)]

    assert slots_of(waiting, undecided_until_ms=55) == {}
    assert hands_free_of([*waiting, LiveBooking(number_place(9), S.QUEUED, None)]) == ("8", "r2")


def test_of_several_bookings_of_a_place_the_one_that_keeps_its_slot_counts() -> None:
    place = number_place(1)
    refused, held = LiveBooking(place, S.UNAVAILABLE, None), LiveBooking(place, S.HELD, 77)

    assert slots_of([refused, held], undecided_until_ms=55) == slots_of([held, refused], undecided_until_ms=55)
    assert slots_of([refused, held], undecided_until_ms=55)[place].kind is SlotKind.HOLDING
