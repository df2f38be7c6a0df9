"""How people went through a queue lately, measured: let in, called, come back, gone again.

Pure. A few samples of the queue's own counters, some seconds apart, tell all of it; they lie beside the outlook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from onsale.queue.state import QueueState

MINUTE_MS = 60_000
SAMPLE_MS = 5_000
# Long enough to hold several stays of people inside, short enough that a checkout that slows down is seen.
WINDOW_MS = 180_000
# Of older ones one in so many is kept: how long people stay inside is learned from the opening on.
OLDER_MS = 600_000
ONE_IN = 4
SAMPLES_MAX = WINDOW_MS // SAMPLE_MS + OLDER_MS // SAMPLE_MS // ONE_IN + 3


@dataclass(frozen=True, slots=True)
class Sample:
    """The queue's counters at a moment of Redis' clock; of the numbers called those that may be somebody's."""

    at_ms: int
    admitted: int
    called: int
    returns_called: int
    return_issued: int
    active: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What went on over `minutes`: counts, and `stayed`, the minutes spent inside by all together."""

    minutes: float
    admitted: int
    called: int
    returns_called: int
    came_back: int
    left: int
    stayed: float


NOTHING = Flow(0.0, 0, 0, 0, 0, 0, 0.0)


def sampled(samples: Sequence[Sample], state: QueueState) -> tuple[Sample, ...]:
    """The samples with one of now, when it is time for one: oldest first, at most SAMPLES_MAX.

    A clock that jumped back, or counters that a recovery moved, begin anew: between two worlds nothing can be measured.
    """
    now = Sample(
        state.now_ms,
        state.admitted_total,
        state.called,
        state.returns_called,
        state.return_issued,
        state.active,
    )
    if not samples:
        return (now,)
    last = samples[-1]
    if now.at_ms < last.at_ms or now.admitted < last.admitted or now.called < last.called:
        return (now,)
    if now.at_ms - last.at_ms < SAMPLE_MS:
        return tuple(samples)
    kept = [one for one in samples if _wanted(one, now.at_ms)]
    return (*kept[-(SAMPLES_MAX - 1) :], now)


def measured(samples: Sequence[Sample]) -> Flow:
    """What happened between the first sample of the last minutes and the last."""
    samples = [one for one in samples if samples[-1].at_ms - one.at_ms <= WINDOW_MS + SAMPLE_MS]
    if len(samples) < 2:
        return NOTHING
    first, last = samples[0], samples[-1]
    admitted = last.admitted - first.admitted
    stayed = sum((one.active + two.active) / 2 * (two.at_ms - one.at_ms) / MINUTE_MS for one, two in pairwise(samples))
    return Flow(
        minutes=(last.at_ms - first.at_ms) / MINUTE_MS,
        admitted=admitted,
        called=last.called - first.called,
        returns_called=last.returns_called - first.returns_called,
        came_back=last.return_issued - first.return_issued,
        left=max(0, admitted - (last.active - first.active)),
        stayed=stayed,
    )


def _wanted(one: Sample, now_ms: int) -> bool:
    age_ms = now_ms - one.at_ms
    return age_ms <= WINDOW_MS or (age_ms <= OLDER_MS and one.at_ms // SAMPLE_MS % ONE_IN == 0)
