"""The circuit breaker before the provider: when it opens, who tries, and what closes it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from onsale.payments.circuit import Circuit


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(trial_seconds=25, failures_max=3, pause_seconds=5, clock=clock)


def fail(circuit: Circuit, times: int) -> list[bool]:
    return [circuit.failed() for _ in range(times)]


def test_it_opens_at_the_last_failure_allowed_and_says_so_once(circuit: Circuit) -> None:
    assert fail(circuit, 2) == [False, False]
    assert circuit.lets_through()

    assert fail(circuit, 2) == [True, False]

    assert not circuit.lets_through()


def test_an_answer_in_between_begins_the_count_anew(circuit: Circuit) -> None:
    fail(circuit, 2)

    assert not circuit.answered()

    fail(circuit, 2)
    assert circuit.lets_through()


def test_after_the_pause_one_tries_and_the_others_wait_for_it(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5

    assert [circuit.lets_through() for _ in range(3)] == [True, False, False]


def test_a_trial_that_fails_begins_the_pause_anew(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    circuit.lets_through()

    fail(circuit, 1)

    clock.now += 4.9
    assert not circuit.lets_through()
    clock.now += 0.1
    assert circuit.lets_through()


def test_a_trial_that_is_answered_lets_everybody_through_and_is_news(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    circuit.lets_through()

    assert circuit.answered()

    assert [circuit.lets_through() for _ in range(3)] == [True] * 3
    assert not circuit.answered()


def test_a_trial_nobody_heard_of_again_ends_with_the_longest_call(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5
    circuit.lets_through()

    clock.now += 25

    assert circuit.lets_through()
