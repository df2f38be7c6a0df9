"""The lines of a rehearsal's charts: what was seen, over time, in at most POINTS_MAX points a line. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from onsale.sandbox.rehearsal import figures
from onsale.sandbox.rehearsal.journal import Exchanges
from onsale.sandbox.rehearsal.watching import Sample
from onsale.sandbox.visitor.visit import Visit

POINTS_MAX = 600
STEP_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600)
# A status is up to a second old, as samples are: over less than this nobody could say how fast it moves.
RATE_SECONDS_MIN = 4.5
# As many as there are colours that anybody can tell apart; the rest is one line.
PROCESSES_MAX = 7
REST = "the rest"


@dataclass(frozen=True)
class Line:
    """One line of a chart; None is a moment nothing is known of."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Series:
    """Lines over the same moments, seconds from the opening."""

    seconds: tuple[float, ...]
    lines: tuple[Line, ...]


def step_seconds(seconds: float) -> int:
    """How many seconds make a point: as few as keep a rehearsal of this length within the maximum."""
    fits = (step for step in STEP_SECONDS if seconds / step < POINTS_MAX)
    return next(fits, math.ceil(seconds / (POINTS_MAX - 1)))


def kept(samples: Sequence[Sample]) -> list[Sample]:
    """The samples from the opening on, evenly thinned out to the maximum; the last one is always kept."""
    since = [sample for sample in samples if sample.at >= 0]
    every = math.ceil(len(since) / (POINTS_MAX - 1)) if since else 1
    return [sample for at, sample in enumerate(since) if at % every == 0 or at == len(since) - 1]


def queue(samples: Sequence[Sample]) -> Series:
    """How many wait, and how far the queue has given out numbers and called them."""
    wanted = {"waiting": "waiting", "numbers given out": "issued", "numbers called": "serving"}
    return _of_samples(kept(samples), {name: _status(key) for name, key in wanted.items()})


def admissions(samples: Sequence[Sample]) -> Series:
    """Numbers called a second, over the last five seconds, and the rate that was set."""
    known = [sample for sample in kept(samples) if "serving" in sample.status]
    called, rates = [], []
    for at, sample in enumerate(known):
        called.append(_called_a_second(known, at))
        rates.append(round(sample.status["rate_per_minute"] / 60, 2))
    lines = (Line("numbers called", tuple(called)), Line("rate set", tuple(rates)))
    return Series(_moments(known), lines)


def tickets(samples: Sequence[Sample], visits: Sequence[Visit], *, began_at: float) -> Series:
    """Tickets free and held as the queue's status says, and confirmed as buyers were told."""
    told = sorted(
        (visit.confirmed_at - began_at, len(visit.tickets)) for visit in visits if visit.confirmed_at is not None
    )
    moments, totals = [at for at, _ in told], [0, *accumulate(count for _, count in told)]
    wanted: dict[str, Callable[[Sample], float | None]] = {
        "free": _status("free"),
        "held": _status("held"),
        "confirmed": lambda sample: totals[bisect_right(moments, sample.at)],
    }
    return _of_samples(kept(samples), wanted)


def cpu(samples: Sequence[Sample]) -> Series:
    """Cores each process kept busy between one look and the next; the busiest by name, the rest in one."""
    seen = kept(samples)
    spent = seen[-1].cpu if seen else {}
    ordered = sorted(spent, key=lambda name: -spent[name])
    named = ordered if len(ordered) <= PROCESSES_MAX + 1 else ordered[:PROCESSES_MAX]
    rest = ordered[len(named) :]
    lines = [Line(name, _cores(seen, [name])) for name in named]
    if rest:
        lines.append(Line(REST, _cores(seen, rest)))
    return Series(_moments(seen[1:]), tuple(lines))


def latency(exchanges: Exchanges, route: str, *, seconds: float) -> Series:
    """Percentiles of what a route's answers took, in milliseconds, by when they came."""
    step = step_seconds(seconds)
    by_step: dict[int, list[float]] = {}
    for each in exchanges.of(route):
        if exchanges.status[each]:
            by_step.setdefault(int(max(0.0, exchanges.at[each]) // step), []).append(exchanges.ms[each])
    if not by_step:
        return Series((), ())
    # Moments without an answer are there too: a gap in the line.
    steps = range(min(by_step), max(by_step) + 1)
    found = [figures.percentiles(by_step.get(at, ())) for at in steps]
    lines = tuple(Line(rank, tuple(_ms(getattr(one, rank)) for one in found)) for rank in ("p50", "p95", "p99"))
    return Series(tuple(float(at * step) for at in steps), lines)


def _ms(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _status(key: str) -> Callable[[Sample], Any]:
    return lambda sample: sample.status.get(key)


def _moments(samples: Sequence[Sample]) -> tuple[float, ...]:
    return tuple(round(sample.at, 1) for sample in samples)


def _of_samples(samples: Sequence[Sample], wanted: dict[str, Callable[[Sample], float | None]]) -> Series:
    lines = tuple(Line(name, tuple(value(sample) for sample in samples)) for name, value in wanted.items())
    return Series(_moments(samples), lines)


def _called_a_second(samples: Sequence[Sample], at: int) -> float | None:
    """Over the last seconds before this sample; None until there are so many."""
    now = samples[at]
    early = (one for one in reversed(samples[:at]) if now.at - one.at >= RATE_SECONDS_MIN)
    before = next(early, None)
    if before is None:
        return None
    called: int = now.status["serving"] - before.status["serving"]
    return round(called / (now.at - before.at), 2)


def _cores(samples: Sequence[Sample], names: Sequence[str]) -> tuple[float | None, ...]:
    spent = [sum(sample.cpu.get(name, 0.0) for name in names) for sample in samples]
    elapsed = [after.at - before.at for before, after in pairwise(samples)]
    return tuple(
        round(max(0.0, after - before) / seconds, 3) if seconds else None
        for (before, after), seconds in zip(pairwise(spent), elapsed, strict=True)
    )
