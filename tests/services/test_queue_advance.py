"""Letting people in: at the rate, into free slots, for free tickets, in the order of their numbers, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from onsale.queue import rate
from onsale.queue.keys import number_place
from onsale.queue.state import Advanced, Phase, SlotKind, SlotState
from onsale.queue.store import ADMIT_MAX
from tests.services.waiting_room import EVENT, MINUTE_MS, RULES, START_MS, Room


def windows_hold(runs: Sequence[Advanced], *, per_minute: int) -> bool:
    """Whether in every window no more came in than the rate allows plus the burst of two seconds."""
    burst = rate.capacity(per_minute) / rate.TURN_CREDITS
    before = 0
    # From just before one run to just after another; the tightest beginning so far is carried along.
    lowest = float("inf")
    for run in runs:
        lowest = min(lowest, before - run.at_us * per_minute / 60_000_000)
        before += run.admitted
        if before - run.at_us * per_minute / 60_000_000 > lowest + burst + 1e-6:
            return False
    return True


def test_a_minute_admits_exactly_the_rate(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.many(2_000)

    runs = room.advance_until(START_MS + MINUTE_MS, step_ms=70)

    assert sum(run.admitted for run in runs) == 600
    assert windows_hold(runs, per_minute=600)
    assert room.state().serving == 600


@pytest.mark.parametrize("per_minute", [1, 7, 59, 61, 999])
def test_no_remainder_of_the_rate_is_lost(redis_client: Redis, per_minute: int) -> None:
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=per_minute))
    room.many(20_000)

    runs = room.advance_until(START_MS + 5 * MINUTE_MS, step_ms=913)

    assert sum(run.admitted for run in runs) == 5 * per_minute


def test_the_bucket_is_empty_when_the_queue_opens(redis_client: Redis) -> None:
    opens_at = datetime.fromtimestamp((START_MS + MINUTE_MS) / 1000, UTC)
    room = Room(redis_client, rules=replace(RULES, phase=Phase.PRE_QUEUE, opens_at=opens_at))
    room.crowd(100)

    at_opening = room.later(MINUTE_MS).advance()
    later = room.later(1_000).advance()

    assert (at_opening.admitted, later.admitted) == (0, 10)


def test_the_bucket_is_empty_when_the_queue_resumes(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(100)
    room.configure(phase=Phase.PAUSED, reason="a fire drill")
    while_paused = room.later(MINUTE_MS).advance()
    room.configure(phase=Phase.OPEN)

    at_resume = room.advance()
    later = room.later(500).advance()

    assert (while_paused.admitted, at_resume.admitted, later.admitted) == (0, 0, 5)


def test_a_quiet_time_saves_up_two_seconds_of_rate_and_no_more(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.later(30 * MINUTE_MS).advance()
    room.many(1_000)

    assert room.advance().admitted == 20


def test_a_new_rate_settles_what_the_old_one_earned(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.many(5_000)
    room.later(1_000).configure(rate_per_minute=6_000)

    at_once = room.advance()
    later = room.later(1_000).advance()

    assert (at_once.admitted, later.admitted) == (10, 100)


def test_a_lower_rate_keeps_no_more_than_its_own_burst(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=24_000))
    room.later(MINUTE_MS).configure(rate_per_minute=60)
    room.many(5_000)

    assert room.advance().admitted == 2


def test_rate_zero_admits_nobody(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=0))
    room.many(10)

    assert room.later(MINUTE_MS).advance().admitted == 0


def test_a_clock_that_jumps_back_restarts_from_now(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.many(1_000)
    room.later(MINUTE_MS).advance()

    jumped = room.later(-30 * MINUTE_MS).advance()
    after = room.later(1_000).advance()

    assert (jumped.admitted, after.admitted) == (0, 10)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(-3_000, 70_000), st.one_of(st.none(), st.sampled_from([0, 1, 7, 60, 333, 24_000]))),
        max_size=25,
    )
)
def test_the_script_and_the_pure_rule_agree_on_every_turn(
    redis_client: Redis, steps: list[tuple[int, int | None]]
) -> None:
    redis_client.flushdb()
    room = Room(redis_client)
    room.many(100_000)
    bucket, per_minute = rate.empty(START_MS * 1_000), 600

    for wait_ms, new_rate in steps:
        room.later(wait_ms)
        bucket = rate.settled(bucket, rate_per_minute=per_minute, now_us=room.now_ms * 1_000)
        if new_rate is not None:
            room.configure(rate_per_minute=new_rate)
            per_minute = new_rate
            bucket = rate.settled(bucket, rate_per_minute=per_minute, now_us=room.now_ms * 1_000)
        expected = min(rate.turns(bucket), ADMIT_MAX)
        assert room.advance().admitted == expected
        bucket = rate.spent(bucket, expected)


def test_people_are_let_in_in_the_order_of_their_numbers(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(30)

    runs = room.advance_until(START_MS + 3_000, step_ms=250)

    assert [number for run in runs if run.last for number in range(run.first, run.last + 1)] == list(range(1, 31))


def test_no_more_come_in_than_there_are_slots(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, max_active=5))
    room.crowd(20)

    full = room.later(2_000).advance()
    room.enter(1)
    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.HOLDING, room.now_ms + MINUTE_MS)})
    still_full = room.advance()
    room.store.leave(EVENT, "2")
    one_left = room.advance()

    assert [run.admitted for run in (full, still_full, one_left)] == [5, 0, 1]
    assert room.state().active == 5


def test_who_does_not_enter_in_time_gives_the_slot_to_the_next(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, max_active=2))
    room.crowd(10)
    room.later(1_000).advance()
    room.enter(1)

    room.later(RULES.enter_seconds * 1_000 + 1)
    lapsed = room.advance()

    assert lapsed.admitted == 1
    assert [room.standing(number) for number in (1, 2, 3, 4)] == ["entered", "passed", "admitted", "ahead"]


def test_no_more_choose_than_there_are_free_tickets(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(20)
    room.store.set_stock(EVENT, [], free=3, held=0)

    three = room.later(2_000).advance()
    for number in (1, 2):
        room.store.follow(EVENT, {number_place(number): SlotState(SlotKind.HOLDING, room.now_ms + MINUTE_MS)})
    before_the_count = room.advance()
    room.store.set_stock(EVENT, [], free=2, held=1)
    after_it = room.advance()

    # Two hold at least two of three tickets and one is choosing: nobody else, until the record says there are more.
    assert [run.admitted for run in (three, before_the_count, after_it)] == [3, 0, 1]


def test_a_place_that_holds_tickets_twice_is_one_hold(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(20)
    room.store.set_stock(EVENT, [], free=4, held=0)
    room.later(200).advance()

    for _ in range(3):
        room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.HOLDING, room.now_ms + MINUTE_MS)})

    assert room.later(2_000).advance().admitted == 2


def test_one_run_admits_at_most_five_hundred(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=600_000))
    room.many(10_000)

    assert room.later(2_000).advance(admit_max=100_000).admitted == ADMIT_MAX
    assert room.advance(admit_max=7).admitted == 7


def test_one_run_reaps_at_most_a_thousand_slots(redis_client: Redis) -> None:
    room = Room(redis_client)
    redis_client.zadd(room.keys.admitted, {str(number): START_MS for number in range(1, 1_502)})

    room.later(1).advance()
    after_one = room.state().admitted
    room.advance()

    assert (after_one, room.state().admitted) == (501, 0)


def test_each_run_that_moved_the_queue_is_journaled_once(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(30)
    room.later(1_000).advance()
    room.advance()
    room.later(500).advance()

    first, second = room.store.admissions_to_write(EVENT)
    room.store.admissions_written(EVENT, first)

    assert (first.seq, first.first, first.last, first.admitted) == (1, 1, 10, 10)
    assert (second.seq, second.first, second.last, second.admitted) == (2, 11, 15, 5)
    assert first.at_us == (START_MS + 1_000) * 1_000
    assert room.store.admissions_to_write(EVENT) == [second]


def test_older_settings_never_replace_newer_ones(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.configure(rate_per_minute=60)

    changed = room.store.configure(EVENT, replace(RULES, rate_per_minute=6_000), version=1, now_ms=room.now_ms)

    assert not changed
    assert room.state().rules.rate_per_minute == 60


def test_the_measured_rate_is_that_of_the_last_minute(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.many(10_000)
    room.advance_until(START_MS + 3 * MINUTE_MS)
    steady = room.state().admitted_last_minute

    room.configure(phase=Phase.PAUSED)
    room.advance_until(START_MS + 5 * MINUTE_MS, step_ms=1_000)

    assert abs(steady - 600) <= 10
    assert room.state().admitted_last_minute == 0
    assert room.state().admitted_total == 1_800


def test_a_switched_off_queue_lets_everybody_by(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.configure(enabled=False)
    room.crowd(20)

    room.configure(enabled=True)

    assert room.state().waiting == 0
    assert room.join().number == 21
    assert room.state().waiting == 1
