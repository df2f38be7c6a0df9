"""Who counts as present, and so who may be passed over: the rule that `lua/listen.lua` and `lua/advance.lua` follow.

Nobody is passed over who was not asked to show presence for at least two poll intervals, nor while heartbeats prove
nothing: within the grace after opening, recovery or a rise of the rate, or when under half of those asked are heard.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

# A heartbeat counts in the slice of time it came in and the two after it: two to three minutes. Of a hidden tab's, sent
# once a minute, one may get lost.
SLICE_MS = 60_000
SLICES = 3
GRACE_MS = 120_000
# Asked to show presence: the next so many people, or those whose turn comes within so many minutes at the set rate.
ASKED_PEOPLE_MIN = 500
ASKED_MINUTES = 4


@dataclass(frozen=True, slots=True)
class Lane:
    """Numbers (or return numbers) in a row: `serving` was the last one called, `issued` the last one given.

    Up to `asked_to` presence was asked for long enough. `present`: heard lately, or with a hands-free booking. `done`:
    used up or left. Nobody is known to own the numbers in `unknown`, those of this recovery and those of earlier ones;
    they count only when heard.
    """

    serving: int
    issued: int
    asked_to: int
    present: frozenset[int] = frozenset()
    done: frozenset[int] = frozenset()
    unknown: Container[int] = ()


@dataclass(frozen=True, slots=True)
class Walked:
    """Where a run of `advance` got to in one lane."""

    serving: int
    admitted: tuple[int, ...]
    passed: tuple[int, ...]


def heard_enough(*, asked: int, heard: int) -> bool:
    """Whether heartbeats arrive at all; under half of those asked, the fault is more likely ours than theirs."""
    return heard * 2 >= asked


def counts_as_present(lane: Lane, number: int, *, everyone: bool) -> bool:
    """Whether this number is let in when its turn comes; `everyone`: the grace, or heartbeats prove nothing."""
    if number in lane.done:
        return False
    if number in lane.present:
        return True
    return number not in lane.unknown and (everyone or number > lane.asked_to)


def walk(lane: Lane, *, turns: int, everyone: bool) -> Walked:
    """Call numbers in order until `turns` of them are let in; who is absent is passed over and costs no turn."""
    admitted: list[int] = []
    passed: list[int] = []
    number = lane.serving
    while number < lane.issued and len(admitted) < turns:
        number += 1
        (admitted if counts_as_present(lane, number, everyone=everyone) else passed).append(number)
    return Walked(number, tuple(admitted), tuple(passed))


def shares(turns: int, *, both_wait: bool, odd_to_returns: bool) -> tuple[int, int]:
    """(turns for return numbers, turns for queue numbers) of one run: returns take at most half while both have people.

    A single turn goes to either by turns, or at a low rate nobody would ever come back.
    """
    if not both_wait:
        return turns, 0
    returns = (turns + odd_to_returns) // 2
    return returns, turns - returns
