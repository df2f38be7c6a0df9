"""A part that is away is left alone, and asked again by one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from onsale.breaker import Breaker

REST_SECONDS = 5.0


class Clock:
    """Time that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(REST_SECONDS, clock=clock)


def test_what_answers_is_asked_by_everybody(breaker):
    assert [breaker.may_ask() for _ in range(3)] == [True] * 3
    assert not breaker.worked()
    assert not breaker.away


def test_what_failed_is_left_alone_for_its_rest(breaker, clock):
    assert breaker.failed()

    clock.now += REST_SECONDS - 0.1

    assert breaker.away
    assert not breaker.may_ask()


def test_after_the_rest_one_asks_and_the_others_go_on_without(breaker, clock):
    breaker.failed()
    clock.now += REST_SECONDS

    assert [breaker.may_ask() for _ in range(3)] == [True, False, False]

    assert breaker.worked()
    assert not breaker.away
    assert breaker.may_ask()


def test_one_of_many_threads_asks(breaker, clock):
    breaker.failed()
    clock.now += REST_SECONDS
    together = Barrier(8)

    def ask(_: int) -> bool:
        together.wait(5)
        return breaker.may_ask()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(8))) == 1


def test_who_asked_and_never_came_back_does_not_keep_it_away(breaker, clock):
    breaker.failed()
    clock.now += REST_SECONDS
    breaker.may_ask()

    clock.now += REST_SECONDS

    assert breaker.may_ask()


def test_who_had_no_question_after_all_leaves_the_turn_to_the_next(breaker, clock):
    breaker.failed()
    clock.now += REST_SECONDS
    breaker.may_ask()

    breaker.was_not_asked()

    assert [breaker.may_ask() for _ in range(2)] == [True, False]


def test_a_failure_may_have_a_rest_of_its_own_and_is_new_once(breaker, clock):
    assert breaker.failed(rest_seconds=1.0)
    clock.now += 1.0
    assert breaker.may_ask()

    assert not breaker.failed()

    clock.now += 1.0
    assert not breaker.may_ask()
