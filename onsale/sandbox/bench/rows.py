"""What a row of the bench is: what it measures, the floor it must reach, the goal beyond, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypedDict

# Enough digits for any of them, few enough to read.
DIGITS = 4

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds of one run, and how many pairs (or repetitions) of runs; `quick` is only a trial."""

    seconds: float = 4.0
    pairs: int = 5
    quick: bool = False


TRIAL = Effort(seconds=0.5, pairs=1, quick=True)


@dataclass(frozen=True)
class Measured:
    """What came out. A fault is something that no speed makes good: it fails the row, whatever the value is."""

    value: float
    faults: tuple[str, ...] = ()
    # What else was seen on the way: part of the result, and not judged.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """One row: `says` is for `--list`; `measure` runs it on a stack of its own."""

    name: str
    says: str
    unit: str
    floor: float
    goal: float
    measure: Callable[[Effort, Say], Measured]
    lower_is_better: bool = False


class Row(TypedDict):
    """One element of what `onsale bench --json` prints."""

    name: str
    value: float
    unit: str
    floor: float
    goal: float
    ok: bool
    notes: list[str]


def judged(spec: Spec, measured: Measured) -> Row:
    """The row: `ok` when the value as it is shown reaches the floor, and nothing else is at fault."""
    value = round(measured.value, DIGITS)
    reached = value <= spec.floor if spec.lower_is_better else value >= spec.floor
    return Row(
        name=spec.name,
        value=value,
        unit=spec.unit,
        floor=spec.floor,
        goal=spec.goal,
        ok=reached and not measured.faults,
        notes=[*measured.faults, *measured.notes],
    )


@dataclass(frozen=True)
class Pair:
    """Two runs, one directly after the other, so that both met the same weather: ours, and what it is held against."""

    ours: float
    base: float

    @property
    def ratio(self) -> float:
        return self.ours / self.base


def alternating(ours: Callable[[], float], base: Callable[[], float], *, pairs: int, say: Say) -> list[Pair]:
    """Run A B A B ...; `pairs` of them."""
    done = []
    for number in range(1, pairs + 1):
        done.append(Pair(ours=ours(), base=base()))
        say(f"pair {number} of {pairs}: {done[-1].ours:,.0f} to {done[-1].base:,.0f}, {done[-1].ratio:.3f}")
    return done


def median_ratio(pairs: list[Pair]) -> float:
    """The ratio to quote: one run that met a storm must not decide."""
    return median(pair.ratio for pair in pairs)


def medians(pairs: list[Pair], unit: str) -> str:
    """The two sides behind the ratio, for a note."""
    ours, base = median(pair.ours for pair in pairs), median(pair.base for pair in pairs)
    return f"{ours:,.0f} to {base:,.0f} {unit}"
