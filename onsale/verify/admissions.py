"""Was the rate obeyed, and did numbers go in order? Pure: the journal of admissions and the rates set go in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from onsale.queue import rate
from onsale.verify.rates import EFFECT_US_MAX, SKEW_US_MAX, Rates

# The journal's moments are whole microseconds.
SLACK_CREDITS = rate.TURN_CREDITS // 100
# Fewer turns than this say nothing about a rate: one person is already a per cent of a hundred.
STRETCH_MIN = 100
KINDS = ("number", "return number")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the queue; 0 and 0: no number of that kind. `passed`: how many numbers it passed over."""

    seq: int
    at_us: int
    first: int
    last: int
    return_first: int
    return_last: int
    admitted: int
    passed: int = 0


def over_the_rate(runs: Sequence[Run], rates: Rates) -> list[str]:
    """Runs that let in more than was left: with them some window, of any length, has more than rate x time + burst.

    The same bucket as the queue's, in whole credits (queue/rate.py), full at the start.
    """
    over: list[str] = []
    left = 0
    for before, run in zip([None, *runs], runs, strict=False):
        left = _filled(left, rates, before.at_us, run.at_us) if before else rate.capacity(rates.at(run.at_us))
        wanted = run.admitted * rate.TURN_CREDITS
        if wanted > left + SLACK_CREDITS:
            may = left // rate.TURN_CREDITS
            over.append(f"run {run.seq} let in {run.admitted} people, the rate allowed {may}")
        left = max(0, left - wanted)
    return over


def _filled(left: int, rates: Rates, start_us: int, end_us: int) -> int:
    for us, per_minute in rates.between(start_us, end_us):
        left = min(left + us * per_minute, rate.capacity(per_minute))
    return min(left, rate.capacity(rates.at(end_us)))


def disorder(runs: Sequence[Run], switched_on_us: Sequence[int] = ()) -> list[str]:
    """What went against the order of the numbers; `runs` by their seq, the queue's own count of them.

    Each run goes on where the one before stopped, and lets in whom it does not pass over. The numbers jump only where
    the queue was restored, which leaves a gap in `seq`, or was switched on (`switched_on_us`): numbers and return
    numbers once each, whenever the first of that kind is called after it.
    """
    wrong: list[str] = []
    seq, at_us = 0, 0
    before, may_jump = dict.fromkeys(KINDS, 0), set[str]()
    for run in runs:
        if run.seq != seq + 1 or _any_between(switched_on_us, at_us - EFFECT_US_MAX, run.at_us + SKEW_US_MAX):
            may_jump.update(KINDS)
        called = ((run.first, run.last), (run.return_first, run.return_last))
        for kind, (first, last) in zip(KINDS, called, strict=True):
            if last:
                wrong += _against(run, kind, (first, last), before[kind], jumps=kind in may_jump)
                may_jump.discard(kind)
                before[kind] = max(before[kind], last)
        here = _width(run.first, run.last) - run.passed
        # How many returns were passed over is not journaled.
        if not here <= run.admitted <= here + _width(run.return_first, run.return_last):
            wrong.append(f"run {run.seq} let in {run.admitted}, and called {here} who were not passed over")
        seq, at_us = run.seq, run.at_us
    return wrong


def _against(run: Run, what: str, called: tuple[int, int], before: int, *, jumps: bool) -> list[str]:
    first, last = called
    if first <= before:
        return [f"run {run.seq} called {what}s {first} to {last}, and {before} had been called"]
    if first > before + 1 and not jumps:
        return [f"run {run.seq} called {what}s from {first} on, and {before + 1} to {first - 1} were never called"]
    return []


def _width(first: int, last: int) -> int:
    return last - first + 1 if last else 0


def _any_between(moments: Sequence[int], start_us: int, end_us: int) -> bool:
    return any(start_us <= moment <= end_us for moment in moments)


def rate_error(runs: Sequence[Run], rates: Rates) -> float | None:
    """How far the longest stretch that only the rate held back is from it, as a share; None where there is none.

    Held back by the rate is a run that let in what was earned since the one before, to a turn. One that let in fewer
    was held back by slots, by tickets, or by nobody waiting; one that let in more lived on what was left in the bucket.
    """
    left, burst = 0.0, rates.burst()
    longest: tuple[float, int] = (0.0, 0)
    fair, admitted = 0.0, 0
    for before, run in pairwise(runs):
        earned = rates.earned(before.at_us, run.at_us)
        was_empty = left < 1
        after = min(burst, left + earned) - run.admitted
        left = max(0.0, after)
        if was_empty and -1 < after < 1 and run.seq == before.seq + 1:
            fair, admitted = fair + earned, admitted + run.admitted
            longest = max(longest, (fair, admitted))
        else:
            fair, admitted = 0.0, 0
    return abs(longest[1] - longest[0]) / longest[0] if longest[0] >= STRETCH_MIN else None
