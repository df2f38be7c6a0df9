"""The rate that follows checkout: under its ceiling, down at once, back within a minute, and never without a cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.queue import rate_words
from onsale.queue.auto_rate import (
    CALM,
    DEAD_SECONDS,
    FLOOR_PER_MINUTE,
    LEARNING_LOOKS,
    RECOVERY_STEPS,
    STOPS,
    WHOLE_PPM,
    AutoRate,
    Because,
    Signs,
    decided,
    per_minute,
    worst,
)
from onsale.queue.ramps import Ramp, Step
from onsale.queue.rate_in_force import in_force

PAY_SECONDS = 600
WELL = Signs(sold=50)
SLOW = Signs(uncarried=40, uncarried_seconds=8.0, carried=16, carried_seconds=1.0, sold=20)
NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)

ceilings = st.integers(0, 600_000)
signs = st.builds(
    Signs,
    backlog_seconds=st.floats(0, 100),
    carried=st.integers(0, 200),
    carried_seconds=st.floats(0, 100),
    uncarried=st.integers(0, 500),
    uncarried_seconds=st.floats(0, 100),
    declined=st.integers(0, 100),
    sold=st.none() | st.integers(0, 1_000),
    provider_away=st.booleans(),
)
states = st.builds(
    AutoRate,
    share_ppm=st.integers(0, WHOLE_PPM),
    strain=st.floats(0, 200),
    usual_paying=st.floats(0, 500),
    looks=st.integers(0, LEARNING_LOOKS),
)


def after(state: AutoRate, *seen: Signs) -> AutoRate:
    for one in seen:
        state = decided(state, one, pay_seconds=PAY_SECONDS)
    return state


def test_a_slow_provider_takes_the_rate_down_to_a_fifth_at_once_and_to_the_floor_within_seconds() -> None:
    once, thrice = after(AutoRate(), SLOW), after(AutoRate(), SLOW, SLOW, SLOW)

    assert (per_minute(once, 600), once.because) == (120, Because.PAYMENTS_SLOW)
    assert per_minute(thrice, 600) == FLOOR_PER_MINUTE


def test_while_a_strained_checkout_gets_better_nothing_more_is_taken_away() -> None:
    once = after(AutoRate(), SLOW)

    better = after(once, replace(SLOW, uncarried_seconds=5.0))
    as_bad = after(better, replace(SLOW, uncarried_seconds=5.0))

    assert better.share_ppm == once.share_ppm
    assert as_bad.share_ppm < better.share_ppm


def test_checkout_that_is_well_again_has_the_whole_rate_within_a_minute() -> None:
    down = after(AutoRate(), *[SLOW] * 10)

    back = after(down, *[WELL] * RECOVERY_STEPS)

    assert (back.share_ppm, back.because) == (WHOLE_PPM, Because.NOTHING)


@pytest.mark.parametrize(
    ("seen", "because"),
    [
        (Signs(backlog_seconds=DEAD_SECONDS), Because.LANE_DEAD),
        (Signs(uncarried=9, uncarried_seconds=DEAD_SECONDS), Because.PAYMENTS_DEAD),
        (Signs(provider_away=True, sold=0), Because.PROVIDER_AWAY),
        (Signs(provider_away=True), Because.PROVIDER_AWAY),
    ],
)
def test_nobody_is_let_in_while_checkout_is_down(seen: Signs, because: Because) -> None:
    state = after(AutoRate(), seen)

    assert (per_minute(state, 600), state.because) == (0, because)
    assert per_minute(after(state, WELL), 600) > 0


@pytest.mark.parametrize(
    ("seen", "because"),
    [
        (Signs(backlog_seconds=3), Because.LANE_BEHIND),
        (Signs(carried=16, carried_seconds=13), Because.PAYMENTS_SLOW),
        (Signs(declined=30, sold=5), Because.PAYMENTS_FAILING),
        (Signs(provider_away=True, sold=9), Because.PAYMENTS_FAILING),
    ],
)
def test_each_sign_of_a_checkout_that_cannot_keep_up_slows_the_queue(seen: Signs, because: Because) -> None:
    state = after(AutoRate(), seen)

    assert state.because is because
    assert 0 < per_minute(state, 600) < 600


@pytest.mark.parametrize(
    "seen",
    [
        # One buyer's bank that takes its time, chance refusals, a fifth of them, payments between two steps.
        Signs(carried=1, carried_seconds=24),
        Signs(declined=9, sold=0),
        Signs(declined=20, sold=80),
        Signs(uncarried=3, uncarried_seconds=30),
    ],
)
def test_what_a_good_day_brings_slows_nobody(seen: Signs) -> None:
    assert after(AutoRate(), seen).share_ppm == WHOLE_PPM


def test_payments_under_way_pile_up_against_what_is_usual_and_not_against_a_number() -> None:
    usual = after(AutoRate(), *[Signs(carried=100, carried_seconds=1)] * LEARNING_LOOKS)

    as_usual = after(usual, Signs(carried=120, carried_seconds=1))
    piled = after(usual, Signs(carried=120, uncarried=400, carried_seconds=1))

    assert as_usual.share_ppm == WHOLE_PPM
    assert (piled.because, piled.share_ppm < WHOLE_PPM) == (Because.PAYMENTS_PILED_UP, True)


@given(state=states, seen=signs, ceiling=ceilings)
def test_never_above_the_ceiling_and_never_below_the_floor_unless_checkout_is_down(
    state: AutoRate, seen: Signs, ceiling: int
) -> None:
    after_it = decided(state, seen, pay_seconds=PAY_SECONDS)
    rate = per_minute(after_it, ceiling)

    assert 0 <= rate <= ceiling
    assert rate >= min(FLOOR_PER_MINUTE, ceiling) or after_it.because in STOPS
    assert 0 <= after_it.share_ppm <= WHOLE_PPM


@given(state=states, seen=signs, worse=signs)
def test_worse_signs_never_let_more_people_in(state: AutoRate, seen: Signs, worse: Signs) -> None:
    worse = Signs(
        max(seen.backlog_seconds, worse.backlog_seconds),
        max(seen.carried, worse.carried),
        max(seen.carried_seconds, worse.carried_seconds),
        # Payments that nobody carries are dead, where none is carried: there more carried ones are better.
        max(seen.uncarried, worse.uncarried),
        max(seen.uncarried_seconds, worse.uncarried_seconds),
        max(seen.declined, worse.declined),
        seen.sold,
        seen.provider_away or worse.provider_away,
    )
    if not seen.carried:
        worse = replace(worse, carried=0)

    good, bad = (decided(state, one, pay_seconds=PAY_SECONDS) for one in (seen, worse))

    assert per_minute(bad, 600) <= per_minute(good, 600)
    assert bad.share_ppm <= good.share_ppm


@given(state=states, seen=signs)
def test_while_the_signs_stay_the_same_the_rate_never_turns_round(state: AutoRate, seen: Signs) -> None:
    """What is usual is known: else the first looks would teach it."""
    state = replace(state, looks=LEARNING_LOOKS)
    strain, _ = worst(state, seen, pay_seconds=PAY_SECONDS)
    rates = [per_minute(state, 600)]
    for _ in range(RECOVERY_STEPS):
        state = replace(decided(state, seen, pay_seconds=PAY_SECONDS), usual_paying=state.usual_paying)
        rates.append(per_minute(state, 600))

    if CALM <= strain < 1:
        assert len(set(rates)) == 1
    else:
        assert rates == sorted(rates, reverse=strain >= 1)


@given(state=states, seen=st.lists(signs, max_size=30))
def test_after_whatever_happened_it_recovers_fully_in_bounded_time(state: AutoRate, seen: list[Signs]) -> None:
    back = after(state, *seen, *[WELL] * RECOVERY_STEPS)

    assert per_minute(back, 600) == 600


def test_in_between_nothing_changes_and_a_rate_that_was_never_lowered_needs_no_reason() -> None:
    nearly = Signs(backlog_seconds=1.6)

    assert after(AutoRate(), nearly).share_ppm == WHOLE_PPM
    assert after(AutoRate(), nearly).because is Because.NOTHING
    assert after(AutoRate(share_ppm=500_000), nearly).share_ppm == 500_000


def test_it_says_why_in_words() -> None:
    assert rate_words.why(Because.PAYMENTS_SLOW, per_minute=120, ceiling=600) == (
        "The payment provider answers slowly: letting in 120 instead of 600 a minute."
    )
    assert rate_words.why(Because.LANE_DEAD, per_minute=0, ceiling=600).endswith("nobody is let in until that is over.")
    assert rate_words.why(Because.NOTHING, per_minute=600, ceiling=600) == ""
    # The organiser has turned the dial below it meanwhile: nothing holds anybody up any more.
    assert rate_words.why(Because.PAYMENTS_SLOW, per_minute=60, ceiling=60) == ""
    assert all(rate_words.why(one, per_minute=1, ceiling=2) for one in Because if one)


RAMP = Ramp.made([Step(900, 1_200), Step(0, 300), Step(300, 600)])


@pytest.mark.parametrize(
    ("seconds", "rate"), [(-60, 300), (0, 300), (299, 300), (300, 600), (900, 1_200), (9_000, 1_200)]
)
def test_a_ramp_goes_by_steps(seconds: float, rate: int) -> None:
    assert RAMP.at(seconds) == rate


def test_a_line_is_walked_from_step_to_step_in_both_directions() -> None:
    up = Ramp.made([Step(0, 0), Step(100, 1_000)], linear=True)
    down = Ramp.made([Step(0, 1_000), Step(100, 0)], linear=True)

    assert [up.at(seconds) for seconds in (0, 25, 50, 100, 200)] == [0, 250, 500, 1_000, 1_000]
    assert [down.at(seconds) for seconds in (0, 25, 50, 100, 200)] == [1_000, 750, 500, 0, 0]


@given(
    steps=st.lists(st.builds(Step, st.integers(0, 86_400), st.integers(0, 600_000)), min_size=1, max_size=20),
    linear=st.booleans(),
    seconds=st.floats(-100, 100_000),
    rate_set=ceilings,
)
def test_a_ramp_never_leaves_its_steps_nor_the_rate_set_and_is_kept_as_it_is(
    steps: list[Step], linear: bool, seconds: float, rate_set: int
) -> None:
    ramp = Ramp.made(steps, linear=linear)

    rate = ramp.at(seconds)
    found = in_force(rate_set, auto=None, ramp=ramp, begins=NOON, now=NOON + timedelta(seconds=seconds))

    assert min(step.per_minute for step in ramp.steps) <= rate <= max(step.per_minute for step in ramp.steps)
    assert (rate_set if found.per_minute is None else found.per_minute) == min(rate_set, ramp.at(seconds))
    assert Ramp.of(ramp.kept()) == ramp


def test_a_strained_checkout_holds_down_a_ramp_too() -> None:
    strained = AutoRate(WHOLE_PPM // 2, Because.PAYMENTS_SLOW)

    found = in_force(1_200, auto=strained, ramp=RAMP, begins=NOON, now=NOON + timedelta(minutes=6))

    assert (found.per_minute, found.because) == (300, Because.PAYMENTS_SLOW)
