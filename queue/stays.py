"""How long people stay inside, while few have left: the stays that fit what was seen so far, and what is usual before.

Pure. A stay is tried by asking how many of those let in would have left by now if people stayed so long; the nearer to
what was counted, the likelier. So the first minutes of a sale tell already what half of them only knows later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from onsale.queue.flow import MINUTE_MS, Sample

# What is usual, while nothing was seen: nine sales in ten lie between these minutes. Nobody stays for longer than a
# part of the time that people are given, so that short deadlines make short stays.
USUAL_SHORT, USUAL_LONG = 1.0, 4.0
ALLOWED_SHARE = 0.5
# Of a normal curve, so many deviations hold nine in ten on both sides of the middle.
NINE_IN_TEN = 1.645
# A sale may be unlike all others: so likely is any stay at all, beside the likeliest.
UNUSUAL = 0.002
# The stays that are tried, in minutes.
TRIED_FROM, TRIED_TO, STEPS = 0.1, 15.0, 28
STEP = math.log(TRIED_TO / TRIED_FROM) / STEPS
# How unlike each other people are, as the deviation of a logarithm; both are tried.
SPREADS = (0.45, 0.75)
# How people left is looked at twice: after this part of what was seen, and at its end.
EARLIER = 0.6
# What this rule cannot know about who leaves when, as a part of those who should have left.
MISJUDGED = 0.05
# However badly a look fits, it is not impossible.
LEAST = 1e-6
# So much of what is likely lies below what is told, and as much above it.
TAIL = 0.2


@dataclass(frozen=True, slots=True)
class Stay:
    """Minutes inside, on average over all who were let in: most likely between `short` and `long`."""

    short: float
    long: float


@dataclass(frozen=True, slots=True)
class _Look:
    """After `minutes`: who was inside before, (people let in, minutes ago) since, and how many left since."""

    minutes: float
    inside: int
    came: tuple[tuple[int, float], ...]
    left: int


def stay(samples: Sequence[Sample], *, allowed_minutes: float) -> Stay:
    """What fits the samples; what is usual, where there are none.

    `allowed_minutes`: how long people may take to choose and to pay.
    """
    looks, likely = _looks(samples), []
    for number in range(STEPS + 1):
        tried = TRIED_FROM * math.exp(number * STEP)
        likely.append((tried, _usual(tried, allowed_minutes) * _fits(looks, tried)))
    return Stay(_below(likely, TAIL), _below(likely, 1 - TAIL))


def _usual(minutes: float, allowed_minutes: float) -> float:
    """How likely a stay is before anything was seen."""
    half = math.log(USUAL_LONG / USUAL_SHORT) / 2
    middle = math.log(min(USUAL_LONG, ALLOWED_SHARE * allowed_minutes)) - half
    off = (math.log(minutes) - middle) / half * NINE_IN_TEN
    return math.exp(-off * off / 2) + UNUSUAL


def _fits(looks: Sequence[_Look], minutes: float) -> float:
    """How well it fits that people stay so long, however unlike each other they are."""
    fits = 0.0
    for spread in SPREADS:
        middle, steep = minutes * math.exp(-spread * spread / 2), 1.702 / spread
        likely, counted, expected = 1.0, 0, 0.0
        for look in looks:
            # Who was inside before anything was measured had stayed for half of it, on average.
            now = _gone(look.inside, look.minutes + minutes / 2, middle, steep)
            now += sum(_gone(people, age, middle, steep) for people, age in look.came)
            more, off = max(0.0, now - expected), (look.left - counted) - (now - expected)
            unsure = 1 + more + (MISJUDGED * now) ** 2
            likely *= max(LEAST, math.exp(-off * off / (2 * unsure)) / math.sqrt(unsure))
            counted, expected = look.left, now
        fits += likely
    return fits


def _gone(people: int, age: float, middle: float, steep: float) -> float:
    """How many of so many, let in `age` minutes ago, have left when half of them leave by `middle`."""
    return people / (1 + (middle / age) ** steep) if people else 0.0


def _looks(samples: Sequence[Sample]) -> list[_Look]:
    """What was counted in the middle and at the end of what was seen."""
    if len(samples) < 2:
        return []
    first, last = samples[0], samples[-1]
    middle_ms = first.at_ms + EARLIER * (last.at_ms - first.at_ms)
    return [_look(seen) for seen in ([one for one in samples if one.at_ms <= middle_ms], samples) if len(seen) > 1]


def _look(samples: Sequence[Sample]) -> _Look:
    first, last = samples[0], samples[-1]
    came = tuple(
        (two.admitted - one.admitted, (last.at_ms - (one.at_ms + two.at_ms) / 2) / MINUTE_MS)
        for one, two in pairwise(samples)
        if two.admitted > one.admitted
    )
    left = last.admitted - last.active - (first.admitted - first.active)
    return _Look((last.at_ms - first.at_ms) / MINUTE_MS, first.active, came, left)


def _below(likely: Sequence[tuple[float, float]], part: float) -> float:
    """The stay below which so much of the likelihood lies."""
    left = part * sum(weight for _, weight in likely)
    for tried, weight in likely:
        if left <= weight:
            return tried * math.exp(STEP * (left / weight - 0.5))
        left -= weight
    return likely[-1][0]
