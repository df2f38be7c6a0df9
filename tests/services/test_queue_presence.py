"""Passing over: the absent slow nobody, and nobody is called absent who was not given the time to be heard."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from onsale.queue.keys import number_place
from onsale.queue.presence import ASKED_PEOPLE_MIN, GRACE_MS, SLICE_MS, Lane, walk
from tests.services.waiting_room import EVENT, MINUTE_MS, PATIENCE_MS, RULES, START_MS, Room

FAST = replace(RULES, rate_per_minute=60_000)


def asked(client: Redis, people: int, *, rate: int = 60_000) -> Room:
    """A room whose people have been asked to show presence for long enough, at a moment when nobody is let in yet."""
    room = Room(client, rules=replace(RULES, rate_per_minute=rate, max_active=1))
    # One slot, taken by number 1: time passes and the queue does not move.
    room.many(people)
    room.advance_until(START_MS + PATIENCE_MS, step_ms=10_000)
    assert room.state().active == 1
    return room


def set_free(room: Room) -> None:
    """Listen once more to who is there, then let them in."""
    room.later(1_000).advance()
    room.configure(max_active=0)


def test_the_absent_are_passed_over_without_spending_the_rate(redis_client: Redis) -> None:
    room = asked(redis_client, 100)
    waiting = range(room.state().serving + 1, 101)
    present = [number for number in waiting if number % 5]
    room.heard(*present)
    set_free(room)

    run = room.later(1_000).advance()

    assert (run.admitted, run.passed_over) == (len(present), len(waiting) - len(present))
    assert {room.standing(number) for number in present} == {"admitted"}
    assert {room.standing(number) for number in waiting if number % 5 == 0} == {"passed"}


def test_half_a_million_absent_numbers_are_passed_over_in_one_run(redis_client: Redis) -> None:
    room = asked(redis_client, 500_000)
    # All were asked; of the many who left, nobody is to be waited for.
    room.client.hset(room.keys.queue, mapping={"asked_3": 500_000, "heard": 1, "listened_at_ms": room.now_ms + 1_000})
    room.heard(500_000)
    room.configure(max_active=0)

    run = room.later(1_000).advance()

    assert (run.admitted, run.last) == (1, 500_000)


def test_one_run_looks_at_a_bounded_number_of_gaps(redis_client: Redis) -> None:
    room = asked(redis_client, 5_000)
    first = room.state().serving + 1
    room.heard(*range(first + 1, first + 3_000, 2))
    room.client.hset(room.keys.queue, mapping={"asked_3": 5_000, "heard": 1, "listened_at_ms": room.now_ms + 1_000})
    room.configure(max_active=0)

    run = room.later(1_000).advance()

    # Every second one is there: 400 steps are 200 gaps and 200 people.
    assert (run.admitted, run.passed_over) == (200, 200)


def test_within_the_grace_after_opening_everyone_counts_as_present(redis_client: Redis) -> None:
    room = Room(redis_client, rules=FAST)
    room.many(100)
    room.heard(50)

    run = room.later(GRACE_MS - 1).advance()

    assert (run.admitted, run.passed_over) == (100, 0)


def test_a_rise_of_the_rate_gives_everyone_a_new_grace(redis_client: Redis) -> None:
    room = asked(redis_client, 100, rate=6_000)
    room.heard(*range(60, 101))
    room.configure(rate_per_minute=60_000, max_active=0)

    run = room.later(1_000).advance()

    assert (run.last, run.passed_over) == (100, 0)


def test_who_was_asked_too_lately_counts_as_present(redis_client: Redis) -> None:
    room = asked(redis_client, ASKED_PEOPLE_MIN // 2, rate=60)
    old = range(room.state().serving + 1, ASKED_PEOPLE_MIN // 2 + 1)
    room.heard(*old)
    # They come long after the others; the status asks for them only from now on.
    room.client.hset(room.keys.queue, mapping={"asked_3": old[-1]})
    room.many(50)
    room.configure(max_active=0)

    runs = room.advance_until(room.now_ms + 5 * MINUTE_MS, step_ms=500)

    assert sum(run.passed_over for run in runs) == 0


def test_when_under_half_are_heard_everyone_counts_as_present(redis_client: Redis) -> None:
    room = asked(redis_client, 101)
    waiting = range(room.state().serving + 1, 102)
    room.heard(*waiting[: len(waiting) // 2 - 1])
    set_free(room)

    run = room.later(1_000).advance()

    assert (run.admitted, run.passed_over) == (len(waiting), 0)


def test_a_heartbeat_counts_for_two_minutes_and_not_for_more_than_three(redis_client: Redis) -> None:
    def admitted_after(wait_ms: int) -> bool:
        redis_client.flushdb()
        room = asked(redis_client, 60)
        first = room.state().serving + 1
        room.heard(first)
        for _ in range(wait_ms // 10_000):
            room.later(10_000).advance()
            room.heard(*range(first + 1, 61))
        set_free(room)
        room.later(1_000).advance()
        return room.standing(first) == "admitted"

    assert admitted_after(2 * SLICE_MS - 10_000)
    assert not admitted_after(3 * SLICE_MS)


def test_who_joins_near_the_front_counts_as_just_heard(redis_client: Redis) -> None:
    room = asked(redis_client, 40)
    room.heard(*range(room.state().serving + 1, 41))
    newcomer = room.join()
    room.client.hset(room.keys.queue, "asked_3", newcomer.number)
    set_free(room)

    room.later(1_000).advance()

    assert room.standing(newcomer.number) == "admitted"


def test_a_hands_free_booking_counts_as_present_and_comes_in_by_itself(redis_client: Redis) -> None:
    room = asked(redis_client, 100)
    waiting = range(room.state().serving + 1, 101)
    room.heard(*(number for number in waiting if number != 50))
    room.store.stay(EVENT, 50, now_ms=room.now_ms)
    set_free(room)

    run = room.later(1_000).advance()

    assert (run.hands_free, run.passed_over) == (1, 0)
    assert room.standing(50) == "entered"


def test_who_left_is_passed_over_even_in_the_grace(redis_client: Redis) -> None:
    room = Room(redis_client, rules=FAST)
    room.crowd(10)
    for number in ("3", "4", "10"):
        room.store.leave(EVENT, number)

    run = room.later(1_000).advance()

    assert (run.admitted, run.passed_over, run.last) == (7, 3, 10)
    assert [room.standing(number) for number in (3, 5)] == ["done", "admitted"]
    assert [line.passed for line in room.store.admissions_to_write(EVENT)] == [((3, 4), (10, 10))]


def test_the_queue_asks_the_next_few_hundred_and_more_at_a_high_rate(redis_client: Redis) -> None:
    slow = Room(redis_client, rules=replace(RULES, rate_per_minute=60))
    slow.later(1).advance()
    near = slow.state().asked_to
    slow.configure(rate_per_minute=6_000)
    slow.later(2_000).advance()

    assert (near, slow.state().asked_to) == (500, 24_000)


numbers = st.frozensets(st.integers(1, 60))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slices=st.tuples(numbers, numbers, numbers),
    booked=numbers,
    done=numbers,
    asked_to=st.integers(0, 60),
    unknown=st.tuples(st.integers(1, 60), st.integers(0, 20)),
    nobodys=numbers,
    turns=st.integers(0, 30),
    everyone=st.booleans(),
)
def test_the_script_and_the_pure_rule_let_in_the_same_people(
    redis_client: Redis,
    slices: tuple[frozenset[int], ...],
    booked: frozenset[int],
    done: frozenset[int],
    asked_to: int,
    unknown: tuple[int, int],
    nobodys: frozenset[int],
    turns: int,
    everyone: bool,
) -> None:
    redis_client.flushdb()
    room = Room(redis_client, rules=FAST)
    room.many(60)
    nobody = range(unknown[0], unknown[0] + unknown[1])
    keys = [*room.keys.numbers_lane(), room.keys.nobodys()[0]]
    bitmaps = zip(keys, [*slices, booked, done, nobodys], strict=True)
    with redis_client.pipeline(transaction=False) as pipeline:
        for key, bits in bitmaps:
            for number in bits:
                pipeline.setbit(key, number, 1)
        pipeline.hset(
            room.keys.queue,
            mapping={
                "unknown_first": nobody.start,
                "unknown_last": nobody.stop - 1,
                "asked_3": asked_to,
                "heard": 0 if everyone else 1,
                "grace_until_ms": 0,
                "listened_at_ms": START_MS + 1_000,
            },
        )
        pipeline.execute()

    run = room.later(1_000).advance(admit_max=turns)

    lane = Lane(0, 60, asked_to, frozenset().union(*slices, booked), done, nobodys | set(nobody))
    expected = walk(lane, turns=turns, everyone=everyone)
    let_in = {*redis_client.zrange(room.keys.admitted, 0, -1), *redis_client.zrange(room.keys.entered, 0, -1)}
    assert run.serving == expected.serving
    assert let_in == {number_place(number).encode() for number in expected.admitted}
    assert run.passed_over == len(expected.passed)
    assert run.hands_free == len(booked & set(expected.admitted))
