"""The rules of `onsale verify` that are more than a query: who was overtaken, and whether the rate was obeyed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.queue import rate
from onsale.verify.admissions import Run, disorder, over_the_rate, rate_error
from onsale.verify.order import CLOCKS_SECONDS_MAX, Inversion, QueuedBooking, Snapshot, inversions
from onsale.verify.rates import EFFECT_US_MAX, SKEW_US_MAX, Dials, Held, Rates, Turned

SECOND_US = 1_000_000


def decided(number: int, *, xid: int, batch: int) -> QueuedBooking:
    """A booking queued by transaction `xid` and decided in a batch that saw all transactions below `batch`."""
    return QueuedBooking(number, 0.0, f"b{number}", xid, f"{batch}:{batch}:", float(batch), None)


def undecided(number: int, *, xid: int, gone_at: float | None = None) -> QueuedBooking:
    """A booking that no lane decided: it is queued, or left the queue at a moment."""
    return QueuedBooking(number, 0.0, f"b{number}", xid, None, None, gone_at)


def test_who_was_seen_with_a_lower_number_and_decided_later_was_overtaken() -> None:
    bookings = [decided(1, xid=10, batch=30), decided(2, xid=11, batch=20)]

    assert inversions(bookings) == [Inversion("b1", "b2")]


def test_who_came_after_the_batch_was_read_was_not_overtaken() -> None:
    bookings = [decided(1, xid=25, batch=30), decided(2, xid=11, batch=20)]

    assert inversions(bookings) == []


def test_who_is_still_queued_although_higher_numbers_were_decided_was_overtaken() -> None:
    assert inversions([undecided(1, xid=10), decided(2, xid=11, batch=20)]) == [Inversion("b1", "b2")]


def test_who_was_cancelled_or_failed_before_a_batch_was_not_overtaken_by_it() -> None:
    gone = undecided(1, xid=10, gone_at=20.0 + CLOCKS_SECONDS_MAX)

    assert inversions([gone, decided(2, xid=11, batch=20)]) == []


def test_who_was_left_lying_and_then_cancelled_was_overtaken() -> None:
    gone = undecided(1, xid=10, gone_at=20.1 + CLOCKS_SECONDS_MAX)

    assert inversions([gone, decided(2, xid=11, batch=20)]) == [Inversion("b1", "b2")]


def test_clocks_do_not_decide_which_batch_came_first() -> None:
    early, late = decided(1, xid=10, batch=20), replace(decided(2, xid=11, batch=30), decided_at=1.0)

    assert inversions([early, late]) == []


def test_a_batch_that_had_its_transaction_before_its_snapshot_may_share_it_with_the_next() -> None:
    first = replace(decided(1, xid=8, batch=20), batch_snapshot="7:12:7", decided_at=1.0)
    second = replace(decided(2, xid=9, batch=20), batch_snapshot="7:12:7", decided_at=2.0)

    assert inversions([first, second]) == []
    assert inversions([replace(first, decided_at=3.0), second]) == [Inversion("b1", "b2")]


def test_a_transaction_that_was_still_running_was_not_seen() -> None:
    snapshot = Snapshot.parse("10:20:12,15")

    seen = [xid for xid in (9, 11, 12, 15, 19, 20) if snapshot.sees(xid)]

    assert seen == [9, 11, 19]


@given(st.permutations(range(12)), st.integers(1, 5))
def test_a_lane_that_takes_the_lowest_numbers_first_overtakes_nobody(numbers: list[int], size: int) -> None:
    """Everybody is there; batches of `size` are decided in the order of the numbers."""
    bookings = [decided(number, xid=place, batch=100 + number // size) for place, number in enumerate(numbers)]

    assert inversions(bookings) == []


@given(st.permutations(range(12)), st.integers(0, 10))
def test_one_swap_between_batches_is_always_found(numbers: list[int], swapped: int) -> None:
    batches = {number: 100 + number for number in numbers}
    batches[swapped], batches[swapped + 1] = batches[swapped + 1], batches[swapped]

    found = inversions([decided(number, xid=place, batch=batches[number]) for place, number in enumerate(numbers)])

    assert found == [Inversion(f"b{swapped}", f"b{swapped + 1}")]


def runs_of(per_run: int, every_us: int, count: int) -> list[Run]:
    """So many let in, so often."""
    return [
        Run(n + 1, 1_000 * SECOND_US + n * every_us, n * per_run + 1, (n + 1) * per_run, 0, 0, per_run)
        for n in range(count)
    ]


def always(per_minute: int) -> Rates:
    """A queue that was open at this rate all the time."""
    return Rates.of([], Dials(per_minute, "open", 0))


def test_exactly_the_rate_is_obeyed_and_one_more_than_the_burst_is_not() -> None:
    rates = always(600)
    steady = runs_of(1, 100_000, 100)
    burst = int(rates.burst())

    # The bucket is full at the first run, which takes one; the others take what was earned since.
    at_most = [*steady, replace(steady[-1], seq=101, first=101, last=99 + burst, admitted=burst - 1)]
    above = [*steady, replace(steady[-1], seq=101, first=101, last=100 + burst, admitted=burst)]

    assert over_the_rate(steady, rates) == []
    assert over_the_rate(at_most, rates) == []
    assert over_the_rate(above, rates) == [f"run 101 let in {burst} people, the rate allowed {burst - 1}"]


@pytest.mark.parametrize("per_minute", [1, 20, 59, 60, 61])
def test_a_low_rate_has_room_for_one_turn_and_two_seconds_at_most_two_turns(per_minute: int) -> None:
    """docs/decisions/0016: below 60 a minute two seconds would be less than two people."""
    moment = runs_of(1, SECOND_US, 1)[0]
    room = rate.capacity(per_minute) // rate.TURN_CREDITS

    assert over_the_rate([replace(moment, last=room, admitted=room)], always(per_minute)) == []
    assert over_the_rate([replace(moment, last=room + 1, admitted=room + 1)], always(per_minute)) != []


def test_a_clock_that_jumped_back_earns_nothing() -> None:
    runs = runs_of(20, 2 * SECOND_US, 3)

    back = [*runs, replace(runs[0], seq=4, first=61, last=80)]

    assert over_the_rate(runs, always(600)) == []
    assert len(over_the_rate(back, always(600))) == 1


MOMENT = 1_000 * SECOND_US
MINUTE = 60 * SECOND_US


def a_minute_of(rates: Rates, start: int) -> float:
    return rates.earned(start, start + MINUTE)


def test_a_raised_rate_counts_from_its_change_and_a_lowered_one_after_it_took_effect() -> None:
    turned = [Turned(MOMENT, per_minute=(60, 6_000)), Turned(MOMENT + MINUTE, per_minute=(6_000, 60))]
    rates = Rates.of(turned, Dials(60, "open", 0))

    assert a_minute_of(rates, MOMENT - MINUTE - SKEW_US_MAX) == pytest.approx(60)
    assert a_minute_of(rates, MOMENT) == pytest.approx(6_000)
    assert a_minute_of(rates, MOMENT + MINUTE + EFFECT_US_MAX) == pytest.approx(60)


def test_the_bucket_of_a_lowered_rate_is_a_small_one_again() -> None:
    rates = Rates.of([Turned(MOMENT, per_minute=(60_000, 600))], Dials(600, "open", 0))
    later = MOMENT + EFFECT_US_MAX + MINUTE

    assert over_the_rate([Run(1, later, 1, 20, 0, 0, 20)], rates) == []
    assert over_the_rate([Run(1, MOMENT - MINUTE, 1, 1, 0, 0, 1), Run(2, later, 2, 101, 0, 0, 100)], rates) != []


@pytest.mark.parametrize("phase", ["paused", "closed"])
def test_nobody_may_be_let_in_while_the_queue_is_paused_or_closed(phase: str) -> None:
    turned = [Turned(MOMENT, phase=("open", phase)), Turned(MOMENT + 3 * MINUTE, phase=(phase, "open"))]
    rates = Rates.of(turned, Dials(600, "open", 0))

    assert a_minute_of(rates, MOMENT + MINUTE) == 0
    assert over_the_rate([Run(1, MOMENT + MINUTE, 1, 1, 0, 0, 1)], rates) != []
    assert over_the_rate([Run(1, MOMENT + 3 * MINUTE, 1, 1, 0, 0, 1)], rates) == []


def test_a_scheduled_queue_opens_by_itself() -> None:
    opens = Turned(MOMENT + SECOND_US, phase=("scheduled", "open"))
    rates = Rates.of([opens], Dials(600, "open", MOMENT))
    still_scheduled = Rates.of([], Dials(600, "scheduled", MOMENT))

    for each in (rates, still_scheduled):
        assert a_minute_of(each, MOMENT - MINUTE - SKEW_US_MAX) == 0
        assert a_minute_of(each, MOMENT) == pytest.approx(600)


def test_a_number_called_again_is_out_of_order() -> None:
    runs = runs_of(5, SECOND_US, 3)

    again = [*runs, replace(runs[1], seq=4)]

    assert disorder(runs) == []
    assert disorder(again) == ["run 4 called numbers 6 to 10, and 15 had been called"]


def test_numbers_left_out_are_found_but_where_the_queue_was_restored_or_switched_on() -> None:
    first, second, third = runs_of(5, MINUTE, 3)
    without_some = [first, replace(second, first=8, admitted=3), third]
    restored = [first, *(replace(run, seq=run.seq + 40) for run in without_some[1:])]

    assert disorder(without_some) == ["run 2 called numbers from 8 on, and 6 to 7 were never called"]
    assert disorder(without_some, [second.at_us - SECOND_US]) == []
    assert disorder(restored) == []


def both_restored(*, seq: int = 3_531) -> list[Run]:
    """A queue of six a minute that was lost with people and return numbers waiting; they are called in turn."""
    before = [Run(1, MOMENT, 1, 1, 1, 1, 2)]
    seconds = ((9_003, 9_003, 0, 0), (0, 0, 9_004, 9_004), (9_004, 9_004, 0, 0), (0, 0, 9_005, 9_005))
    return before + [Run(seq + n, MOMENT + (n + 1) * MINUTE, *called, 1) for n, called in enumerate(seconds)]


def test_numbers_and_return_numbers_of_a_restored_queue_jump_once_each_whichever_is_called_first() -> None:
    runs = both_restored()

    assert disorder(runs) == []
    assert disorder(both_restored(seq=2), [MOMENT + SECOND_US]) == []
    # One that lost nothing has no such gap in either.
    assert len(disorder(both_restored(seq=2))) == 2


@pytest.mark.parametrize(("run", "kind"), [(3, "first"), (4, "return_first")])
def test_a_hole_in_either_kind_after_its_first_run_is_found_however_soon_the_queue_was_restored(run, kind) -> None:
    runs = both_restored()
    last = kind.replace("first", "last")
    runs[run] = replace(runs[run], **{kind: getattr(runs[run], kind) + 1, last: getattr(runs[run], last) + 1})

    assert ["were never called" in one for one in disorder(runs)] == [True]


def test_whoever_is_called_is_let_in_or_passed_over() -> None:
    run = Run(1, MOMENT, 1, 10, 0, 0, 7, 3)

    assert disorder([run]) == []
    assert disorder([replace(run, passed=2)]) == ["run 1 let in 7, and called 8 who were not passed over"]
    assert disorder([replace(run, admitted=8)]) == ["run 1 let in 8, and called 7 who were not passed over"]


def test_returns_have_an_order_of_their_own() -> None:
    runs = [Run(1, MOMENT, 1, 4, 1, 2, 6), Run(2, MOMENT, 5, 8, 3, 4, 6)]

    assert disorder(runs) == []
    assert disorder([runs[0], replace(runs[1], return_first=2)]) != []
    assert disorder([replace(runs[0], admitted=7)]) != []


@given(st.integers(600, 60_000), st.lists(st.integers(20_000, 400_000), min_size=200, max_size=300))
def test_a_bucket_that_is_emptied_at_each_run_has_no_error(per_minute: int, steps: list[int]) -> None:
    bucket, at, runs, number = rate.empty(0), 0, [], 0
    for seq, step in enumerate(steps, start=1):
        at += step
        bucket = rate.settled(bucket, rate_per_minute=per_minute, now_us=at)
        people = rate.turns(bucket)
        bucket = rate.spent(bucket, people)
        if people:
            runs.append(Run(seq, at, number + 1, number + people, 0, 0, people))
            number += people

    error = rate_error(runs, always(per_minute))

    assert over_the_rate(runs, always(per_minute)) == []
    assert error is None or error <= 1.0 / 99


def test_a_short_stretch_says_nothing_about_the_rate() -> None:
    assert rate_error(runs_of(1, 100_000, 20), always(600)) is None


def test_a_crowd_that_empties_a_full_bucket_first_makes_no_error() -> None:
    """The bucket filled before anybody came: the first runs let in what was left in it, and more than was earned."""
    first, second, *steady = runs_of(1, 100_000, 302)
    crowd = [replace(first, admitted=15), replace(second, admitted=5), *steady]

    assert rate_error(crowd, always(600)) == pytest.approx(0)


def test_a_queue_that_lets_in_two_in_a_hundred_more_than_its_rate_has_that_error() -> None:
    assert rate_error(runs_of(1, 98_000, 500), always(600)) == pytest.approx(1 / 0.98 - 1, rel=0.01)


def test_what_was_lost_with_the_queue_is_no_error() -> None:
    before, after = runs_of(1, 100_000, 250), runs_of(1, 100_000, 400)[250:]
    restored = [replace(run, seq=run.seq + 40, at_us=run.at_us + MINUTE) for run in after]

    assert rate_error([*before, *restored], always(600)) == pytest.approx(0)


def test_a_rate_held_down_by_checkout_is_the_one_that_counts_and_a_change_has_ten_seconds() -> None:
    held = [Held(MOMENT, 60), Held(MOMENT + 2 * MINUTE, None)]
    rates = Rates.of([], Dials(6_000, "open", 0), held)

    assert a_minute_of(rates, MOMENT - 2 * MINUTE) == pytest.approx(6_000)
    assert a_minute_of(rates, MOMENT + EFFECT_US_MAX) == pytest.approx(60)
    assert a_minute_of(rates, MOMENT + 2 * MINUTE) == pytest.approx(6_000)


def test_who_lets_in_at_the_rate_set_while_checkout_holds_it_down_is_seen() -> None:
    later = MOMENT + EFFECT_US_MAX + SECOND_US
    runs = [Run(n, later + n * SECOND_US, n, n, 0, 0, 10) for n in range(1, 30)]
    dials = Dials(600, "open", 0)

    assert over_the_rate(runs, Rates.of([], dials)) == []
    assert over_the_rate(runs, Rates.of([], dials, [Held(MOMENT, 60)])) != []


def test_a_dial_below_what_checkout_allows_is_what_counts() -> None:
    turned = [Turned(MOMENT, per_minute=(6_000, 30))]
    rates = Rates.of(turned, Dials(30, "open", 0), [Held(MOMENT - MINUTE, 60)])

    assert a_minute_of(rates, MOMENT + EFFECT_US_MAX) == pytest.approx(30)
