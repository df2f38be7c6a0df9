"""Was the rate obeyed, and did numbers go in order? Pure: the journal of admissions and the rates set go in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from onsale.queue import rate

# A change of the rate reaches the queue within a second, and a queue that was away learns of it when it is back.
EFFECT_US_MAX = 10_000_000
MINUTE_US = 60_000_000
# Fewer turns than this say nothing about a rate: one person is already a per cent of a hundred.
STRETCH_MIN = 100


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the queue; 0 and 0: no number of that kind."""

    seq: int
    at_us: int
    first: int
    last: int
    return_first: int
    return_last: int
    admitted: int


@dataclass(frozen=True, slots=True)
class RateChange:
    """The organiser set another rate."""

    at_us: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What was allowed at each moment: (from, per minute), the highest of what may have been in force."""

    steps: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, changes: Sequence[RateChange], now: int) -> Rates:
        """From the changes in their order; `now` is the rate in force, for an event whose rate was never changed."""
        if not changes:
            return cls(((0, now),))
        in_force = [(0, changes[0].before), *((each.at_us, each.after) for each in changes)]
        moments = sorted({0, *(each.at_us for each in changes), *(each.at_us + EFFECT_US_MAX for each in changes)})
        return cls(tuple((at, _highest(in_force, at)) for at in moments))

    def earned(self, start_us: int, end_us: int) -> float:
        """How many turns the rates give between two moments."""
        ends = [at for at, _ in self.steps[1:]] + [end_us]
        return sum(
            max(0, min(end, end_us) - max(at, start_us)) * per_minute / MINUTE_US
            for (at, per_minute), end in zip(self.steps, ends, strict=True)
        )

    def burst(self) -> float:
        """The largest bucket in force, in turns."""
        return max(rate.capacity(per_minute) for _, per_minute in self.steps) / rate.TURN_CREDITS


def _highest(in_force: Sequence[tuple[int, int]], at: int) -> int:
    """The highest rate that may have held in the queue at `at`: any in force since EFFECT_US_MAX before."""
    since = at - EFFECT_US_MAX
    latest_before = max((moment, per_minute) for moment, per_minute in in_force if moment <= max(since, 0))[1]
    return max([latest_before, *(per_minute for moment, per_minute in in_force if since < moment <= at)])


def over_the_rate(runs: Sequence[Run], rates: Rates) -> list[Run]:
    """Runs that end a window, of any length, in which more were let in than rate times time plus the burst."""
    over, admitted, lowest, fair = [], 0, float("inf"), 0.0
    burst = rates.burst()
    for before, run in zip([None, *runs], runs, strict=False):
        fair += rates.earned(before.at_us, run.at_us) if before else 0.0
        lowest = min(lowest, admitted - fair)
        admitted += run.admitted
        if admitted - fair > lowest + burst + 1e-6:
            over.append(run)
    return over


def out_of_order(runs: Sequence[Run]) -> list[Run]:
    """Runs that called a number again, or one before those already called; returns have an order of their own."""
    wrong, number, returning = [], 0, 0
    for run in runs:
        if (run.last and run.first <= number) or (run.return_last and run.return_first <= returning):
            wrong.append(run)
        number, returning = max(number, run.last), max(returning, run.return_last)
    return wrong


def rate_error(runs: Sequence[Run], rates: Rates) -> float | None:
    """How far the longest stretch that only the rate held back is from it, as a share; None where there is none.

    Held back by the rate is a run that left less than a turn in the bucket; others were by slots, by tickets, or by
    nobody waiting. The bucket is empty at the opening.
    """
    credits, burst = 0.0, rates.burst()
    longest: tuple[float, int] = (0.0, 0)
    fair, admitted = 0.0, 0
    for before, run in pairwise(runs):
        earned = rates.earned(before.at_us, run.at_us)
        was_empty = credits < 1
        credits = max(0.0, min(burst, credits + earned) - run.admitted)
        if was_empty and credits < 1:
            fair, admitted = fair + earned, admitted + run.admitted
            longest = max(longest, (fair, admitted))
        else:
            fair, admitted = 0.0, 0
    return abs(longest[1] - longest[0]) / longest[0] if longest[0] >= STRETCH_MIN else None
