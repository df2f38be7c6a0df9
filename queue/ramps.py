"""A rate that changes with time: steps after the opening, or lines between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STEPS_MAX = 20
AFTER_SECONDS_MAX = 86_400
# A line is walked in steps of at least this share of its way: a few dozen changes, not thousands.
LINE_STEPS = 40


@dataclass(frozen=True, slots=True)
class Step:
    """So many seconds after the beginning, so many a minute."""

    after_seconds: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Ramp:
    """Steps in order. Before the first its rate holds already, after the last one it stays.

    `linear`: in a line from step to step.
    """

    steps: tuple[Step, ...]
    linear: bool = False

    @classmethod
    def made(cls, steps: Sequence[Step], *, linear: bool = False) -> Ramp:
        """Of steps in any order; of two at one moment the one named last counts."""
        by_moment = {step.after_seconds: step for step in steps}
        return cls(tuple(by_moment[moment] for moment in sorted(by_moment)), linear)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Ramp:
        """The ramp as the record keeps it."""
        return cls(tuple(Step(*step) for step in kept["steps"]), bool(kept["linear"]))

    def kept(self) -> dict[str, Any]:
        """For the record."""
        return {"steps": [[step.after_seconds, step.per_minute] for step in self.steps], "linear": self.linear}

    def at(self, seconds: float) -> int:
        """The rate so many seconds after the beginning; before it the first one's."""
        before = [step for step in self.steps if step.after_seconds <= seconds]
        here = before[-1] if before else self.steps[0]
        later = self.steps[len(before) :] if before else ()
        if not (self.linear and later):
            return here.per_minute
        way = (seconds - here.after_seconds) / (later[0].after_seconds - here.after_seconds)
        walked = int(way * LINE_STEPS) / LINE_STEPS
        return round(here.per_minute + walked * (later[0].per_minute - here.per_minute))

    @property
    def last_seconds(self) -> int:
        """When it is over."""
        return self.steps[-1].after_seconds


def rate_at(ramp: Ramp | None, *, ceiling: int, begins: datetime, now: datetime) -> int:
    """What may come in now by the ramp; the rate set stays the most."""
    if ramp is None:
        return ceiling
    return min(ceiling, ramp.at((now - begins).total_seconds()))
