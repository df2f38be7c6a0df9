"""How often the bands held: what the status told at the time, put against when the numbers were really called.

Pure. Each number that is looked at is followed as its buyer's page would have done it, from joining to its turn,
keeping what was told before (`band.kept`); each band that was then shown counts once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, Protocol

from onsale.queue import band
from onsale.queue import gaps as nobodys
from onsale.queue.band import Band
from onsale.queue.gaps import Range

NUMBERS_MAX = 200
# A band is told in minutes; within this much of its end it held.
TOLERANCE_MS = 1_000
# Below three minutes a factor of two says nothing: both ends are a minute or two.
SHORT_MS = 180_000


class Line(Protocol):
    """What was told at a moment; `body` is the `wait` of the status."""

    @property
    def at(self) -> datetime: ...
    @property
    def serving(self) -> int: ...
    @property
    def issued(self) -> int: ...
    @property
    def body(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """Bands told, and what became of them.

    `sooner` and `later`: the turn came before or after the band, and nothing was said. `withdrawn`: a reason was
    published before the turn came (the organiser paused, checkout slowed down, ...). `open`: the turn has not come and
    the band is not over, or no ticket was left. `wide`: of the others, wider than a factor of two. `unknown`: no band
    could be told.
    """

    told: int
    held: int
    sooner: int
    later: int
    withdrawn: int
    open: int
    wide: int
    unknown: int

    @property
    def held_percent(self) -> float | None:
        """Of the bands for which nothing was said, those that held; None where there was none."""
        judged = self.held + self.sooner + self.later
        return round(100 * self.held / judged, 1) if judged else None


def sample(lines: Sequence[Line], gaps: Sequence[Range] = (), *, most: int = NUMBERS_MAX) -> tuple[int, ...]:
    """The numbers to look at: evenly from all that ever waited, none in `gaps` (in order)."""
    first = min((line.serving for line in lines), default=0) + 1
    last = max((line.issued for line in lines), default=0)
    step = max(1, -(-nobodys.people(first, last, gaps) // most))
    begins, ends = [first, *(to + 1 for _, to in gaps)], [*(begin for begin, _ in gaps), last + 1]
    waited = (range(max(first, begin), min(last + 1, end)) for begin, end in zip(begins, ends, strict=True))
    return tuple(islice(chain.from_iterable(waited), 0, None, step))


def calibration(
    lines: Sequence[Line],
    calls: Sequence[tuple[int, datetime]],
    joined_at: Mapping[int, datetime],
    *,
    gaps: Sequence[Range] = (),
    until: datetime | None = None,
) -> Calibration:
    """How the bands of these numbers held; `calls` are (last number called, when), both growing; nobody is in `gaps`.

    `until`: the moment up to which is known what was called; the last line's without it.
    """
    lasts, moments = [last for last, _ in calls], [_ms(at) for _, at in calls]
    end_ms = _ms(until) if until else max((_ms(line.at) for line in lines), default=0)
    counts = dict.fromkeys(("told", "held", "sooner", "later", "withdrawn", "open", "wide", "unknown"), 0)
    for number, since in joined_at.items():
        place = bisect_left(lasts, number)
        called_ms = moments[place] if place < len(moments) else None
        shown = list(_shown(number, lines, since, gaps))
        epochs = sorted({told.epoch for _, told in shown if told} | {int(line.body["epoch"]) for line in lines})
        for at_ms, told in shown:
            counts["told"] += 1
            if told is None:
                counts["unknown"] += 1
                continue
            verdict = _verdict(told, called_ms, epochs, end_ms)
            counts[verdict] += 1
            counts["wide"] += verdict != "open" and too_wide(told, at_ms)
    return Calibration(**counts)


def too_wide(told: Band, at_ms: int) -> bool:
    """Whether a band was wider than a factor of two."""
    return told.to_ms - at_ms > max(SHORT_MS, 2 * (told.from_ms - at_ms))


def _shown(
    number: int, lines: Iterable[Line], since: datetime, gaps: Sequence[Range]
) -> Iterable[tuple[int, Band | None]]:
    """(when, what) this number's page showed."""
    before: Band | None = None
    for line in lines:
        if line.at < since or not line.serving < number <= line.issued:
            continue
        at_ms = _ms(line.at)
        now = band.told(nobodys.people(line.serving + 1, number, gaps), {"wait": line.body}, now_ms=at_ms)
        shown = band.kept(before, now)
        before = shown or before
        yield at_ms, shown


def _verdict(told: Band, called_ms: int | None, epochs: Sequence[int], end_ms: int) -> str:
    came_ms = called_ms if called_ms is not None else end_ms
    if called_ms is not None and told.from_ms - TOLERANCE_MS <= called_ms <= told.to_ms + TOLERANCE_MS:
        return "held"
    if any(told.epoch < epoch <= min(came_ms, told.to_ms + TOLERANCE_MS) for epoch in epochs):
        return "withdrawn"
    if called_ms is None:
        return "open" if end_ms <= told.to_ms + TOLERANCE_MS else "later"
    return "sooner" if called_ms < told.from_ms else "later"


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
