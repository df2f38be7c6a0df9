"""How long people stay inside is learned from the first who leave, and from the time that they are given."""

from __future__ import annotations

import math
import random

import pytest

from onsale.queue.flow import MINUTE_MS, SAMPLE_MS, Sample
from onsale.queue.stays import USUAL_LONG, USUAL_SHORT, Stay, stay

SEED = 20_261_127
HOUR = 60.0


def seen(minutes: float, *, stays: float, spread: float = 0.5, per_minute: int = 60) -> tuple[Sample, ...]:
    """What was sampled in the first minutes of a sale whose people stay so long on average."""
    chance = random.Random(SEED)
    came = [number * MINUTE_MS / per_minute for number in range(1, int(minutes * per_minute) + 1)]
    away = [at + MINUTE_MS * stays * chance.lognormvariate(-spread * spread / 2, spread) for at in came]
    return tuple(
        Sample(at, let_in, let_in, 0, 0, let_in - sum(one <= at for one in away))
        for at in range(0, int(minutes * MINUTE_MS) + 1, SAMPLE_MS)
        for let_in in [sum(one <= at for one in came)]
    )


def width(told: Stay) -> float:
    return told.long / told.short


def test_before_anything_was_seen_it_is_what_is_usual() -> None:
    told = stay((), allowed_minutes=HOUR)

    assert USUAL_SHORT < told.short < told.long < USUAL_LONG


def test_who_is_given_a_minute_does_not_stay_for_two() -> None:
    told = stay((), allowed_minutes=1.0)

    assert told.long < 0.5
    assert width(told) == pytest.approx(width(stay((), allowed_minutes=HOUR)), rel=0.1)


@pytest.mark.parametrize("minutes", [0.8, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("spread", [0.35, 0.6])
def test_when_many_have_left_it_is_known_within_a_third(minutes: float, spread: float) -> None:
    told = stay(seen(1.8 * minutes, stays=minutes, spread=spread), allowed_minutes=HOUR)

    assert told.short / 1.33 < minutes < told.long * 1.33
    assert width(told) < 1.8


def test_that_nobody_has_left_yet_makes_it_longer() -> None:
    told = stay(seen(1.5, stays=8.0, spread=0.2), allowed_minutes=HOUR)

    assert told.short > stay((), allowed_minutes=HOUR).short * 1.3


def test_who_was_inside_before_the_memory_began_counts_as_half_way() -> None:
    later = tuple(one for one in seen(9.0, stays=3.0) if one.at_ms >= 6 * MINUTE_MS)

    told = stay(later, allowed_minutes=HOUR)

    assert told.short / 1.33 < 3.0 < told.long * 1.33


def test_samples_that_fit_nothing_give_a_stay_all_the_same() -> None:
    strange = (Sample(0, 5_000, 0, 0, 0, 5_000), Sample(SAMPLE_MS, 5_000, 0, 0, 0, 0))

    told = stay(strange, allowed_minutes=HOUR)

    assert 0 < told.short < told.long < math.inf
