"""The circuit breaker's rule, for every order in which calls may end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.errors import ProviderUnavailable
from onsale.payments.circuit import (
    FAILURES_MAX,
    PAUSE_SECONDS,
    PROBE_SECONDS_MAX,
    Breaker,
    Circuit,
    Way,
    answered,
    enter,
    failed,
)


def opened(now: float = 0.0) -> Circuit:
    circuit = Circuit()
    for _ in range(FAILURES_MAX):
        circuit = failed(circuit, Way.CALL, now=now)
    return circuit


def test_it_opens_at_the_last_failure_allowed_and_not_before():
    circuit = Circuit()
    ways = []
    for _ in range(FAILURES_MAX + 1):
        ways.append(enter(circuit, now=1.0)[1])
        circuit = failed(circuit, Way.CALL, now=1.0)

    assert ways == [Way.CALL] * FAILURES_MAX + [Way.WAIT]


def test_one_answer_forgives_all_failures():
    circuit = answered(failed(Circuit(FAILURES_MAX - 1), Way.CALL, now=0.0))

    assert not failed(circuit, Way.CALL, now=0.0).open


def test_after_the_pause_one_call_finds_out_and_the_others_wait():
    _, early = enter(opened(), now=PAUSE_SECONDS - 0.1)
    circuit, first = enter(opened(), now=PAUSE_SECONDS)
    _, second = enter(circuit, now=PAUSE_SECONDS)
    _, forgotten = enter(circuit, now=PAUSE_SECONDS + PROBE_SECONDS_MAX)

    assert (early, first, second, forgotten) == (Way.WAIT, Way.PROBE, Way.WAIT, Way.PROBE)


def test_a_call_that_was_under_way_when_it_opened_makes_the_pause_no_longer():
    circuit = opened()

    assert failed(circuit, Way.CALL, now=PAUSE_SECONDS - 0.1) == circuit


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, bool]]:
    """When somebody wants to call, and whether the provider answers then."""
    gaps = draw(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200))
    return [(gap, draw(st.booleans())) for gap in gaps]


@given(stories())
def test_a_provider_that_is_away_costs_its_first_failures_and_one_probe_a_pause(story):
    circuit, now, failures_in_a_row, calls_while_open = Circuit(), 0.0, 0, []
    for gap, works in story:
        now += gap
        was_open = circuit.open
        circuit, way = enter(circuit, now=now)
        assert (way is Way.CALL) == (failures_in_a_row < FAILURES_MAX)
        if way is Way.WAIT:
            continue
        if was_open:
            calls_while_open.append(now)
        circuit = answered(circuit) if works else failed(circuit, way, now=now)
        failures_in_a_row = 0 if works else failures_in_a_row + 1
        assert circuit.open == (failures_in_a_row >= FAILURES_MAX)
    assert all(later - earlier >= PAUSE_SECONDS for earlier, later in pairwise(calls_while_open))


@given(st.lists(st.tuples(st.floats(0.0, 60.0), st.booleans()), max_size=60))
def test_no_caller_is_kept_out_for_longer_than_a_probe_and_a_pause(story):
    circuit, now = opened(), 0.0
    for gap, works in story:
        now += gap
        circuit, way = enter(circuit, now=now)
        if way is not Way.WAIT:
            # The probe's end is not always heard of.
            circuit = answered(circuit) if works else circuit
    _, way = enter(circuit, now=now + max(PAUSE_SECONDS, PROBE_SECONDS_MAX))
    assert way is not Way.WAIT


def test_it_tells_each_opening_and_closing_and_when_to_come_again():
    told: list[bool] = []
    now = [100.0]
    breaker = Breaker(told=told.append, clock=lambda: now[0])

    def call(*, works: bool) -> None:
        with breaker.call() as call:
            call.answered = works

    for _ in range(FAILURES_MAX):
        call(works=False)
    with pytest.raises(ProviderUnavailable) as refused:
        call(works=True)
    now[0] += PAUSE_SECONDS
    call(works=False)
    now[0] += PAUSE_SECONDS
    call(works=True)
    call(works=True)

    assert refused.value.retry_after_seconds == PAUSE_SECONDS
    assert told == [True, True, False]


def test_a_call_that_raises_is_a_failure():
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        with pytest.raises(ZeroDivisionError), breaker.call():
            raise ZeroDivisionError

    with pytest.raises(ProviderUnavailable):
        breaker.enter()
