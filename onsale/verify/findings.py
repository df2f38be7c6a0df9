"""Collects what is found while an event is checked: violations, what was looked at, what could not be."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from onsale.verify.verdict import SAYS, Finding

EXAMPLES_MAX = 20


@dataclass
class _About:
    """What is known of one invariant so far."""

    count: int = 0
    examples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unchecked: bool = False
    seconds: float = 0.0


class Findings:
    """By invariant; in the end one finding each."""

    def __init__(self) -> None:
        self._about = {name: _About() for name in SAYS}

    @contextmanager
    def timed(self, invariant: str) -> Iterator[None]:
        """Count the seconds of this block as this invariant's."""
        began = time.monotonic()
        yield
        self._about[invariant].seconds += time.monotonic() - began

    def add(self, invariant: str, found: Iterable[str]) -> None:
        """Violations, each a sentence; the first are kept as examples."""
        about = self._about[invariant]
        for what in found:
            about.count += 1
            if len(about.examples) < EXAMPLES_MAX:
                about.examples.append(what)

    def note(self, invariant: str, what: str) -> None:
        """Say what was looked at."""
        self._about[invariant].notes.append(what)

    def not_checked(self, invariant: str, why: str) -> None:
        """A check could not be made, which is no pass."""
        self._about[invariant].unchecked = True
        self._about[invariant].notes.append(why)

    def count(self, invariant: str) -> int:
        """How many violations there are so far."""
        return self._about[invariant].count

    def all(self) -> tuple[Finding, ...]:
        """One for each invariant, in their order."""
        return tuple(self._finding(name) for name in SAYS)

    def _finding(self, name: str) -> Finding:
        about = self._about[name]
        ok = False if about.count else None if about.unchecked else True
        note = "; ".join(about.notes)
        return Finding(name, SAYS[name], ok, about.count, tuple(about.examples), note, round(about.seconds, 3))
