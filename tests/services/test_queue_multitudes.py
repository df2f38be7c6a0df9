"""A million in the queue of whom half leave, and come back: no call looks at more than its script's constants say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from onsale.queue import lua
from onsale.queue.state import Advanced
from onsale.queue.store import ADMIT_MAX
from tests.services.waiting_room import PATIENCE_MS, RULES, START_MS, Room

A_MILLION = 1_000_000
RATE_PER_MINUTE = 60_000
# One run of `advance`: 400 steps, each with at most a look into six bitmaps and one for the end of a run; and what is
# around them, with the listening of once a second.
COMMANDS_MAX = 400 * 7 + 60
SECONDS = 10
STEP_MS = 100
PIPELINE = 5_000


@pytest.fixture
def room(redis_client: Redis) -> Room:
    """A million, asked for long enough, of whom only the odd numbers are there; nobody is let in yet."""
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=RATE_PER_MINUTE, max_active=1))
    room.many(A_MILLION)
    room.advance_until(START_MS + PATIENCE_MS, step_ms=10_000)
    asked = dict.fromkeys(("asked_to", "asked_1", "asked_2", "asked_3"), A_MILLION)
    room.client.hset(room.keys.queue, mapping={**asked, "heard": 1})
    room.configure(max_active=0)
    return room


def run(room: Room) -> Advanced:
    """A tenth of a second later; the odd numbers were just heard."""
    for key in room.keys.numbers_lane()[:3]:
        # A byte's highest bit is the lowest number: 0x55 is 1, 3, 5, 7 of eight.
        room.client.set(key, b"\x55" * (A_MILLION // 8 + 1))
    return room.later(STEP_MS).advance()


def commands(client: Redis) -> int:
    """How many commands the server has run, also those within scripts."""
    return sum(int(each["calls"]) for each in client.info("commandstats").values())


def all_come_back(room: Room, numbers: range) -> None:
    """Everybody of these takes a return number, by the script that everybody's request runs."""
    keys = room.keys
    names = [keys.queue, keys.admitted, keys.entered, keys.holding, keys.returns, keys.numbers_lane()[4]]
    names += [*keys.returns_lane()[:3], keys.returns_lane()[4], keys.owners, keys.came_back]
    come_back = room.client.register_script(lua.load("come_back"))
    for first in range(numbers.start, numbers.stop, numbers.step * PIPELINE):
        with room.client.pipeline(transaction=False) as pipeline:
            for number in numbers[(first - numbers.start) // numbers.step :][:PIPELINE]:
                come_back(names, [number, room.now_ms], client=pipeline)
            assert {answer[0] for answer in pipeline.execute()} == {b"OK"}


def test_half_of_a_million_leave_and_the_present_come_in_at_the_rate(room):
    spent = []
    runs = []

    for _ in range(SECONDS * 1_000 // STEP_MS):
        before = commands(room.client)
        runs.append(run(room))
        # What this test itself asks: three presences set, and one look at the statistics.
        spent.append(commands(room.client) - before - 4)

    admitted = sum(each.admitted for each in runs)
    assert abs(admitted - RATE_PER_MINUTE * SECONDS // 60) <= 2 * RATE_PER_MINUTE // 60
    assert sum(each.passed_over for each in runs) >= admitted - 1
    assert max(spent) <= COMMANDS_MAX


def served_until(room: Room, number: int) -> None:
    room.configure(rate_per_minute=600_000)
    # A higher rate is a new grace, in which nobody is passed over; it is over for this test.
    room.client.hset(room.keys.queue, "grace_until_ms", 0)
    while room.state().serving < number:
        assert run(room).admitted
    room.client.delete(room.keys.admitted)


def both_move(room: Room, come_back: int) -> None:
    """Who came back and who waited are let in by turns, run by run, until all who came back are in."""
    while room.state().return_serving < come_back:
        both = room.state()
        one = run(room)
        assert one.return_serving > both.return_serving
        assert one.serving > both.serving or both.serving == A_MILLION
        assert one.return_serving - both.return_serving <= ADMIT_MAX // 2 or both.serving == A_MILLION


def test_those_who_come_back_and_those_who_stayed_both_move(room):
    served_until(room, 20_000)

    all_come_back(room, range(2, 20_001, 2))

    both_move(room, 10_000)


@pytest.mark.soak
def test_half_a_million_come_back_and_nobody_stands_still(room):
    served_until(room, A_MILLION // 2)
    all_come_back(room, range(2, A_MILLION // 2 + 1, 2))
    both_move(room, A_MILLION // 8)
    served_until(room, A_MILLION)

    all_come_back(room, range(A_MILLION // 2 + 2, A_MILLION + 1, 2))

    both_move(room, A_MILLION // 2)
