"""All workers together call the provider at its rate, and nobody waits long for a turn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from onsale.errors import QueueUnavailable
from onsale.queue.client import connect
from onsale.queue.pace import BURST_SECONDS, Pace

RATE = 50
NOW_MS = 1_000_000


def test_after_a_quiet_time_a_burst_goes_at_once_and_then_one_by_one(redis_client):
    pace = Pace(redis_client, name="bank", per_second=RATE)

    waits = [pace.turn(wait_ms_max=1_000, now_ms=NOW_MS) for _ in range(RATE * BURST_SECONDS + 3)]

    assert waits[: RATE * BURST_SECONDS + 1] == [0] * (RATE * BURST_SECONDS + 1)
    assert waits[RATE * BURST_SECONDS + 1 :] == [20, 40]


def test_a_turn_too_far_away_is_not_taken(redis_client):
    pace = Pace(redis_client, name="bank", per_second=RATE)
    taken = [pace.turn(wait_ms_max=100, now_ms=NOW_MS) for _ in range(100)]

    refused = pace.turn(wait_ms_max=100, now_ms=NOW_MS)
    later = pace.turn(wait_ms_max=100, now_ms=NOW_MS + 20)

    assert refused is None
    assert taken.count(None) == 100 - (RATE * BURST_SECONDS + 1 + 5)
    # A refusal used up nothing: the very next turn is free.
    assert later == 100


def test_four_workers_at_once_share_one_pace(redis_client):
    pace = Pace(redis_client, name="bank", per_second=RATE)

    def turns() -> list[int | None]:
        return [pace.turn(wait_ms_max=10_000, now_ms=NOW_MS) for _ in range(50)]

    with ThreadPoolExecutor(4) as workers:
        waits = [wait for one in [workers.submit(turns) for _ in range(4)] for wait in one.result(30)]

    # Every turn was taken once: the waits are those of 200 calls in a row.
    paced = sorted(wait for wait in waits if wait)
    assert paced == [20 * n for n in range(1, 200 - RATE * BURST_SECONDS)]


def test_a_clock_that_jumped_back_does_not_stop_the_calls(redis_client):
    pace = Pace(redis_client, name="bank", per_second=RATE)
    pace.turn(wait_ms_max=1_000, now_ms=NOW_MS + 3_600_000)

    assert pace.turn(wait_ms_max=1_000, now_ms=NOW_MS) == 0


def test_without_redis_it_says_so():
    pace = Pace(connect("redis://127.0.0.1:9/0"), name="bank", per_second=RATE)

    with pytest.raises(QueueUnavailable):
        pace.turn(wait_ms_max=1_000)
