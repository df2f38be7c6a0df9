"""Numbers that are nobody's: what a recovery went on behind, so that no number is given twice.

Pure, and for counting people the same in web/static/js/queue_rules.js. Nobody is waited for under them (advance.lua).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

Range = tuple[int, int]

# A recovery leaves one of each kind.
TOLD_MAX = 20


@dataclass(frozen=True, slots=True)
class Gaps:
    """Ranges of queue numbers, and of return numbers, in which nobody is known: in order, none over another."""

    numbers: tuple[Range, ...] = ()
    returns: tuple[Range, ...] = ()

    def has(self, number: int, *, is_return: bool) -> bool:
        """Whether the number is in one of them."""
        ranges = self.returns if is_return else self.numbers
        at = bisect_right(ranges, number, key=itemgetter(0)) - 1
        return at >= 0 and number <= ranges[at][1]

    def told(self, *, serving: int, return_serving: int) -> dict[str, list[list[int]]]:
        """As the status tells them: those not passed yet, the first TOLD_MAX of each kind."""
        lanes = {"numbers": (self.numbers, serving), "returns": (self.returns, return_serving)}
        return {
            name: [[first, last] for first, last in ranges if last > passed][:TOLD_MAX]
            for name, (ranges, passed) in lanes.items()
        }


NO_GAPS = Gaps()


def people(first: int, last: int, gaps: Iterable[Sequence[int]]) -> int:
    """How many of the numbers from `first` to `last` may be somebody's."""
    nobodys = sum(max(0, min(last, to) - max(first, begin) + 1) for begin, to in gaps)
    return max(0, last - first + 1 - nobodys)


def number_at(turn: int, serving: int, gaps: Iterable[Sequence[int]]) -> int:
    """The number of the person whose turn is the `turn`-th after `serving`; `gaps` in order."""
    number = serving + turn
    for first, last in gaps:
        begin = max(first, serving + 1)
        if begin <= last and begin <= number:
            number += last - begin + 1
    return number


def in_order(ranges: Iterable[Range], *, above: int = 0) -> tuple[Range, ...]:
    """The ranges, as far as they are above a number; empty ones left out, and what two of them have in common once."""
    kept: list[Range] = []
    for first, last in sorted(ranges):
        free = max(first, above + 1, kept[-1][1] + 1 if kept else 1)
        if free <= last:
            kept.append((free, last))
    return tuple(kept)
