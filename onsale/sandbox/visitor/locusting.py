"""What a Locust run needs to send simulated buyers and to judge the shop by them; knows neither Locust nor gevent.

`locustfile.py` brings the sending and the sleeping. Everything here is plain, so that it can be read and tested alone.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from onsale.sandbox.visitor.buyer import Buyer, Manners
from onsale.sandbox.visitor.habits import Ending, Habits, Shares
from onsale.sandbox.visitor.steps import Answer, Ask, Steps, Wait
from onsale.sandbox.visitor.visit import OVER, Visit

# "Somebody was quicker", "too late", "not yet": what a shop says in a sale, and no fault of it.
REFUSALS = frozenset({409, 410, 425})
# Said with Retry-After they are waited out.
LATER = frozenset({429, 503})
# Different things seen are kept up to here; the rest is counted.
FINDINGS_MAX = 500
FINDINGS_SHOWN = 20
NOT_KEPT = "more, too many to be kept"
# Nobody can be served who comes when all is gone.
NOTHING_LEFT = OVER | {"unavailable"}
# What a booking and a card may take on top of what the buyer takes, before somebody inside is called stuck.
PATIENCE_SECONDS = 90.0
# Without --run-time a shape takes so long to unfold, and its last part goes on.
SHAPE_SECONDS = 180.0
CROWD_SECONDS = 5.0
ORDINARY_SHARE = 0.1
# Of the polls of a waiting room's load test, every so many asks for the own place too.
PLACE_EVERY = 10

PEOPLE_AHEAD = "people ahead at first (people, not ms)"
TO_TURN = "time to turn (joined to called)"
TURN_TO_TICKET = "turn to ticket (called to confirmed)"
TO_TICKET = "time to ticket (joined to confirmed)"


class Shape(StrEnum):
    """How the number of users goes over the time of a run."""

    DOORS_OPEN = "doors-open"
    RAMP = "ramp"
    FLASH_CROWD = "flash-crowd"


def users_at(shape: Shape, seconds: float, *, users: int, run_seconds: float) -> tuple[int, float]:
    """How many users there should be, and how many a second may come or go to get there.

    Doors open: everybody in the first second. Ramp: evenly more over two thirds of the time. Flash crowd: a tenth, in
    the middle half of the time everybody, who come within five seconds and go again.
    """
    if shape is Shape.RAMP:
        return users, max(users / (run_seconds * 2 / 3), 0.1)
    ordinary = max(1, round(users * ORDINARY_SHARE))
    if shape is Shape.FLASH_CROWD and seconds < run_seconds / 4:
        return ordinary, float(ordinary)
    if shape is Shape.FLASH_CROWD:
        return (users if seconds < run_seconds * 3 / 4 else ordinary), max(users / CROWD_SECONDS, 1.0)
    return users, float(users)


def carry(
    steps: Steps[None], *, send: Callable[[tuple[Ask, ...]], tuple[Answer, ...]], sleep: Callable[[float], None]
) -> Iterator[None]:
    """One whole visit; comes by after each step, so that whoever drives it can look at what changed."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Wait):
                sleep(step.seconds)
                step = steps.send(())
            else:
                step = steps.send(send(step))
            yield
    except StopIteration:
        return
    finally:
        steps.close()


def fault(answer: Answer) -> str:
    """Why this answer is a failure of the shop, or of the load test; empty for one that is neither."""
    waits = answer.retry_after_seconds is not None
    if answer.status == 0:
        return "no answer"
    if answer.status in LATER:
        return "" if waits else f"{answer.status} without Retry-After"
    if answer.status < 400 or answer.status in REFUSALS:
        return ""
    return f"{answer.status} {answer.problem}".strip()


def scaled(manners: Manners, factor: float) -> Manners:
    """People who take so many times as long; 0 takes no time at all."""
    if factor < 0:
        raise ValueError("how long people take wants a factor of 0 or more")
    times = {each.name: getattr(manners, each.name) for each in dataclasses.fields(manners)}
    return Manners(**{name: (low * factor, high * factor) for name, (low, high) in times.items()})


def shares_of(text: str) -> Shares:
    """Shares written as `abandons=0.1,two_tabs=0`; what is not named stays as it is. ValueError says what it wants."""
    known = {each.name for each in dataclasses.fields(Shares)}
    given: dict[str, float] = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, _, share = pair.partition("=")
        if name not in known:
            raise ValueError(f"no habit is called {name!r}; there is {', '.join(sorted(known))}")
        try:
            given[name] = float(share)
        except ValueError:
            raise ValueError(f"{pair!r}: wants HABIT=SHARE, the share from 0 to 1") from None
    return dataclasses.replace(Shares(), **given)


class WaitingRoomVisitor(Buyer):
    """The five steps that the load test of AWS' Virtual Waiting Room took, on our routes; then leaves.

    Join (assign a queue number), ask for the place (get the queue number), poll the status (the serving number), rarely
    ask for the place again (the size of the queue), enter (get a token). Leaving is ours: a slot kept for nothing would
    stop the queue.
    """

    _polls = 0

    def _visit_after_sign_in(self) -> Steps[str]:
        yield from self._join()
        yield from self._place()
        over = yield from self._wait_for_turn()
        if over:
            return over
        entered = yield from self._enter()
        if isinstance(entered, str):
            return entered
        yield from self._leave()
        return "entered"

    def _status(self) -> Steps[dict[str, Any]]:
        self._polls += 1
        if self._polls % PLACE_EVERY == 0:
            yield from self._place()
        return (yield from super()._status())

    def _place(self) -> Steps[None]:
        yield from self._ask("GET", f"{self._queue}/me", "/v1/events/{id}/queue/me")


@dataclass
class Journey:
    """One visit with what was already told of it."""

    visit: Visit
    _told: set[str] = field(default_factory=set)
    _broken_told: int = 0

    def measured(self) -> list[tuple[str, float]]:
        """What can be measured since the last time: people, or milliseconds."""
        visit = self.visit
        known: Mapping[str, float | None] = {
            PEOPLE_AHEAD: visit.people_ahead_at_first,
            TO_TURN: _milliseconds(visit.joined_at, visit.turn_at),
            TURN_TO_TICKET: _milliseconds(visit.turn_at, visit.confirmed_at),
            TO_TICKET: _milliseconds(visit.joined_at, visit.confirmed_at),
        }
        fresh = [(name, value) for name, value in known.items() if value is not None and name not in self._told]
        self._told.update(name for name, _ in fresh)
        return fresh

    def broken(self) -> list[str]:
        """The promises seen broken since the last time."""
        fresh = self.visit.broken[self._broken_told :]
        self._broken_told += len(fresh)
        return fresh


@dataclass
class Tally:
    """What all visits of a run came to; whoever sends from several processes adds their reports."""

    # How the visits ended, with "interrupted" for those that the end of the test cut off.
    ended: Counter[str] = field(default_factory=Counter)
    # entered, confirmed, and `tried`: got in to buy, and had the time to.
    reached: Counter[str] = field(default_factory=Counter)
    # Everything that fails the run, and how often it was seen.
    findings: Counter[str] = field(default_factory=Counter)

    def saw(self, what: str, times: int = 1) -> None:
        """Write down something that fails the run."""
        known = what in self.findings or len(self.findings) < FINDINGS_MAX
        self.findings[what if known else NOT_KEPT] += times

    def over(self, visit: Visit, *, habits: Habits, manners: Manners, buys: bool = True) -> None:
        """A visit came to its end, or was cut off."""
        self.ended[visit.ended.split(":")[0] or "interrupted"] += 1
        self.reached["entered"] += visit.entered_at is not None
        self.reached["confirmed"] += visit.confirmed_at is not None
        self.reached["tried"] += buys and _tried(visit, habits, manners)

    def verdict(self) -> list[str]:
        """Why the run fails, the most frequent first; empty for one that is well."""
        said = [f"{times} x {what}" for what, times in self.findings.most_common()]
        if not self.ended:
            said.append("nobody came: not one visit was begun")
        if self.reached["tried"] and not self.reached["confirmed"]:
            said.insert(0, f"no booking was confirmed, though {self.reached['tried']} got in to buy")
        return said

    def report(self) -> dict[str, dict[str, int]]:
        """Everything so far, to be sent elsewhere; this tally begins anew."""
        counters = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        sent = {name: dict(counter) for name, counter in counters.items()}
        for counter in counters.values():
            counter.clear()
        return sent

    def add(self, report: Mapping[str, Mapping[str, int]]) -> None:
        """Another process' report."""
        self.ended.update(report["ended"])
        self.reached.update(report["reached"])
        for what, times in report["findings"].items():
            self.saw(what, times)

    def told(self) -> str:
        """The run in words: what became of the visits, and the verdict."""
        endings = ", ".join(f"{times} {how}" for how, times in self.ended.most_common()) or "none"
        lines = [f"Visits: {endings}.", f"Got in: {self.reached['entered']}. Confirmed: {self.reached['confirmed']}."]
        verdict = self.verdict()
        if not verdict:
            return "\n".join([*lines, "Every check holds."])
        more = len(verdict) - FINDINGS_SHOWN
        rest = [f"  and {more} more"] if more > 0 else []
        return "\n".join([*lines, "The run FAILS:", *(f"  {each}" for each in verdict[:FINDINGS_SHOWN]), *rest])


def _tried(visit: Visit, habits: Habits, manners: Manners) -> bool:
    """Whether somebody was inside to buy, and long enough to have tickets if there were any."""
    if visit.entered_at is None or habits.ending not in (Ending.PAYS, Ending.DECLINED_FIRST):
        return False
    if visit.ended:
        return visit.ended not in NOTHING_LEFT
    takes = 2 * manners.choose[1] + manners.pay[1] + PATIENCE_SECONDS
    return visit.ended_at is not None and visit.ended_at - visit.entered_at > takes


def _milliseconds(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else (end - begin) * 1000
