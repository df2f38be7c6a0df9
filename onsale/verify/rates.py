"""Which rate was allowed at each moment? Pure: what the organiser set, and when, goes in.

The record knows when a dial was turned, not when the queue heard of it: a change takes effect within EFFECT_US_MAX, and
until then the higher of the two rates counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from onsale.queue import rate

# A change reaches the queue within a second; a queue or a record that was away hears of it when it is back.
EFFECT_US_MAX = 10_000_000
# The queue's clock is Redis', the organiser's the record's.
SKEW_US_MAX = 1_000_000
WAITING = ("scheduled", "pre_queue")


@dataclass(frozen=True, slots=True)
class Dials:
    """What decides how many may be let in: nobody is, but in an open queue; a scheduled one opens by itself."""

    per_minute: int
    phase: str
    opens_at_us: int


@dataclass(frozen=True, slots=True)
class Turned:
    """A line of the sale log: what a dial was before and after; None for one that was not turned."""

    at_us: int
    per_minute: tuple[int, int] | None = None
    phase: tuple[str, str] | None = None
    opens_at_us: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """From `at_us` on so many may be let in a minute."""

    at_us: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Held:
    """A line of `rate_steps`: from `at_us` on the rate was held down to `per_minute`; None: no longer."""

    at_us: int
    per_minute: int | None


@dataclass(frozen=True, slots=True)
class Rates:
    """The highest rate that may have been in force at each moment; steps in order, the first from the beginning."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, turned: Sequence[Turned], now: Dials, held: Sequence[Held] = ()) -> Rates:
        """From the log in its order and the dials as they are: before its first line they were what it says.

        `held`, in order: to what checkout or a ramp held the rate down meanwhile.
        """
        exact = list(_held_down(list(_in_force(turned, now)), held))
        moments = {0} | {
            max(0, step.at_us + shift) for step in exact for shift in (-SKEW_US_MAX, 0, EFFECT_US_MAX) if step.at_us
        }
        steps: list[Step] = []
        for at_us in sorted(moments):
            highest = _highest(exact, at_us - EFFECT_US_MAX, at_us + SKEW_US_MAX)
            if not steps or steps[-1].per_minute != highest:
                steps.append(Step(at_us, highest))
        return cls(tuple(steps))

    def between(self, start_us: int, end_us: int) -> Iterator[tuple[int, int]]:
        """The stretches between two moments, in order: how long, and at how many a minute."""
        index = max(0, bisect_right(self.steps, start_us, key=lambda step: step.at_us) - 1)
        while start_us < end_us:
            next_us = self.steps[index + 1].at_us if index + 1 < len(self.steps) else end_us
            until_us = min(next_us, end_us)
            yield until_us - start_us, self.steps[index].per_minute
            start_us, index = until_us, index + 1

    def earned(self, start_us: int, end_us: int) -> float:
        """How many turns the rates give between two moments."""
        credits = sum(us * per_minute for us, per_minute in self.between(start_us, end_us))
        return credits / rate.TURN_CREDITS

    def burst(self) -> float:
        """The largest bucket in force at any time, in turns."""
        return max(rate.capacity(step.per_minute) for step in self.steps) / rate.TURN_CREDITS

    def at(self, at_us: int) -> int:
        """The rate allowed at a moment."""
        return self.steps[max(0, bisect_right(self.steps, at_us, key=lambda step: step.at_us) - 1)].per_minute


def _in_force(turned: Sequence[Turned], now: Dials) -> Iterator[Step]:
    """What the dials say from when on, read backwards from now; the first from the beginning."""
    dials = [now]
    for line in reversed(turned):
        dials.append(_before(line, dials[-1]))
    begins = [0, *(line.at_us for line in turned)]
    ends = [*begins[1:], None]
    for at_us, end_us, set_to in zip(begins, ends, reversed(dials), strict=True):
        if set_to.phase == "open":
            yield Step(at_us, set_to.per_minute)
            continue
        yield Step(at_us, 0)
        if set_to.phase in WAITING and (end_us is None or set_to.opens_at_us < end_us):
            yield Step(max(at_us, set_to.opens_at_us), set_to.per_minute)


def _held_down(steps: Sequence[Step], held: Sequence[Held]) -> Iterator[Step]:
    """The lower of both, from each moment on at which either changed."""
    changes: list[Step | Held] = sorted([*steps, *held], key=lambda change: change.at_us)
    set_to = 0
    most: int | None = None
    for change in changes:
        if isinstance(change, Step):
            set_to = change.per_minute
        else:
            most = change.per_minute
        yield Step(change.at_us, set_to if most is None else min(set_to, most))


def _before(line: Turned, after: Dials) -> Dials:
    before = after
    if line.per_minute:
        before = replace(before, per_minute=line.per_minute[0])
    if line.phase:
        before = replace(before, phase=line.phase[0])
    if line.opens_at_us:
        before = replace(before, opens_at_us=line.opens_at_us[0])
    return before


def _highest(exact: Sequence[Step], since_us: int, until_us: int) -> int:
    """The highest rate in force at any time between two moments; `exact` in order."""
    first = bisect_right(exact, max(since_us, 0), key=lambda step: step.at_us)
    last = bisect_right(exact, until_us, key=lambda step: step.at_us)
    return max(step.per_minute for step in exact[max(0, first - 1) : max(first, last)])
