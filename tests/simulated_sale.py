"""A sale in simulated time: the real pure rules (bucket, presence, outlook, band, odds) and people of many kinds.

Nothing of the queue is imitated that has a pure rule: the bucket is `queue/rate.py`, who counts as present
`queue/presence.py`, what is published `queue/status.py`. Imitated are Redis' bookkeeping and the people.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from onsale.queue import band, odds, outlook, presence, rate, status
from onsale.queue.outlook import Outlook
from onsale.queue.presence import Lane
from onsale.queue.rate import Bucket
from onsale.queue.state import Phase, QueueRules, QueueState, SoFar

START_MS = 1_800_000_000_000
MINUTE_MS = 60_000
TICK_MS = 1_000
LOOK_MS = 4_000
TELL_MS = 20_000


@dataclass(frozen=True)
class Shape:
    """A kind of sale: what the organiser sets, who comes, and what goes on at which minute."""

    name: str
    people: int = 1_200
    late_per_minute: float = 0.0
    rate: int = 120
    max_active: int = 0
    tickets: int | None = None
    absent: float = 0.0
    # Of the absent so many come back, a few minutes after their turn.
    returning: float = 0.0
    # Of those let in so many never enter, and lose their slot after `enter_seconds`.
    no_show: float = 0.0
    buys: float = 0.6
    per_buyer: float = 2.0
    hands_free: float = 0.0
    stay_minutes: float = 2.5
    stay_spread: float = 0.4
    pre_queue_minutes: int = 0
    minutes: int = 30
    # (minute, what): "pause", "resume", ("rate", n), ("slots", n), ("stay", factor), "all_here", "lose".
    acts: tuple[tuple[float, Any], ...] = ()


@dataclass
class Told:
    """One band told to one person, and what was known with it."""

    number: int
    at_ms: int
    band: band.Band | None
    odds: odds.Odds | None
    sure: bool
    epoch: int


@dataclass
class Person:
    number: int
    absent: bool
    back_after_ms: int
    hands_free: bool


@dataclass
class Sale:
    """The sale under way, and afterwards what happened in it."""

    shape: Shape
    seed: int
    # What is published instead of the outlook: a negative control's.
    estimate: Callable[[QueueState, Outlook], Outlook] | None = None
    now_ms: int = START_MS
    serving: int = 0
    return_serving: int = 0
    people: list[Person] = field(default_factory=list)
    return_owners: list[int] = field(default_factory=list)
    called_ms: dict[int, int] = field(default_factory=dict)
    let_in: set[int] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)
    ahead_shown: dict[int, list[int]] = field(default_factory=dict)
    free_at_turn: dict[int, int] = field(default_factory=dict)
    epochs: list[tuple[int, str]] = field(default_factory=list)
    held: int = 0
    buyers: int = 0
    sold: int = 0
    admitted_total: int = 0
    active: int = 0
    choosing: int = 0

    def __post_init__(self) -> None:
        shape = self.shape
        self.random = random.Random(f"{shape.name}:{self.seed}")
        self.free = shape.tickets
        self.bucket: Bucket = rate.empty(self.now_ms * 1000)
        self.opens_ms = START_MS + shape.pre_queue_minutes * MINUTE_MS
        phase = Phase.PRE_QUEUE if shape.pre_queue_minutes else Phase.OPEN
        self.rules = QueueRules(
            phase=phase,
            opens_at=datetime.fromtimestamp(self.opens_ms / 1000, UTC),
            rate_per_minute=shape.rate,
            max_active=shape.max_active,
        )
        self.configured_ms = START_MS
        self.grace_until_ms = self.opens_ms + presence.GRACE_MS
        self.asked = [0, 0, 0, 0]
        self.slice = START_MS // presence.SLICE_MS
        self.heard_counts: tuple[int, int] | None = None
        self.looked: Outlook | None = None
        self.kept: dict[int, band.Band | None] = {}
        self.events: list[tuple[int, int, str, Any]] = []
        self.tie = 0
        self.due = 0.0
        self.stay = shape.stay_minutes
        self.acts = [(int(minute * MINUTE_MS) + START_MS, act) for minute, act in shape.acts]
        self.tracked: list[int] = []
        self._join(shape.people)

    # The world.

    def run(self) -> Sale:
        end = self.opens_ms + self.shape.minutes * MINUTE_MS
        while self.now_ms < end:
            self.now_ms += TICK_MS
            self._acts()
            self._arrivals()
            self._happen()
            self._advance()
            if self.now_ms % LOOK_MS == 0:
                self._look()
            if self.now_ms % TELL_MS == 0:
                self._tell()
        return self

    def _join(self, people: int) -> None:
        step = max(1, self.shape.people // 30)
        for number in range(len(self.people) + 1, len(self.people) + people + 1):
            absent = self.random.random() < self.shape.absent
            back = absent and self.random.random() < self.shape.returning
            self.people.append(
                Person(
                    number,
                    absent,
                    int(self.random.uniform(0.5, 4) * MINUTE_MS) if back else 0,
                    self.random.random() < self.shape.hands_free,
                )
            )
            if number % step == 0:
                self.tracked.append(number)

    def _arrivals(self) -> None:
        self.due += self.shape.late_per_minute * TICK_MS / MINUTE_MS
        self._join(int(self.due))
        self.due -= int(self.due)

    def _acts(self) -> None:
        while self.acts and self.acts[0][0] <= self.now_ms:
            act = self.acts.pop(0)[1]
            name, value = act if isinstance(act, tuple) else (act, None)
            getattr(self, f"_act_{name}")(value)

    def _act_pause(self, _: Any) -> None:
        self._set(phase=Phase.PAUSED)

    def _act_resume(self, _: Any) -> None:
        self._set(phase=Phase.OPEN)
        self.bucket = rate.empty(self.now_ms * 1000)

    def _act_rate(self, per_minute: int) -> None:
        if per_minute > self.rules.rate_per_minute:
            self.grace_until_ms = self.now_ms + presence.GRACE_MS
        self._set(rate_per_minute=per_minute)

    def _act_slots(self, most: int) -> None:
        self._set(max_active=most)

    def _act_stay(self, factor: float) -> None:
        self.stay = self.shape.stay_minutes * factor

    def _act_all_here(self, _: Any) -> None:
        for person in self.people[self.serving :]:
            person.absent = False

    def _act_lose(self, _: Any) -> None:
        self.looked = None

    def _set(self, **changed: Any) -> None:
        self.rules = replace(self.rules, **changed)
        self.configured_ms = self.now_ms

    def _later(self, delay_ms: float, what: str, value: Any = None) -> None:
        self.tie += 1
        heapq.heappush(self.events, (self.now_ms + max(TICK_MS, int(delay_ms)), self.tie, what, value))

    def _happen(self) -> None:
        while self.events and self.events[0][0] <= self.now_ms:
            _, _, what, value = heapq.heappop(self.events)
            getattr(self, f"_{what}")(value)

    def _decide(self, person: Person) -> None:
        """Chose, or gave up: a hold, or the slot is free."""
        self.choosing -= 1
        if self.free is None:
            self.buyers, self.sold = self.buyers + 1, self.sold + 1
            self.active -= 1
            return
        wanted = self._quantity() if self.random.random() < self.shape.buys else 0
        if not wanted or self.free <= 0:
            self.active -= 1
            return
        wanted = min(wanted, self.free)
        self.free, self.held = self.free - wanted, self.held + wanted
        self.buyers += 1
        self._later(self._minutes(self.stay * 0.4), "pay", wanted)

    def _quantity(self) -> int:
        whole = int(self.shape.per_buyer)
        return whole + (self.random.random() < self.shape.per_buyer - whole)

    def _pay(self, tickets: int) -> None:
        self.active -= 1
        self.held -= tickets
        if self.random.random() < 0.95:
            self.sold += tickets
        else:
            self.free = (self.free or 0) + tickets
            self.buyers -= 1

    def _lapse(self, _: Any) -> None:
        self.active, self.choosing = self.active - 1, self.choosing - 1

    def _back(self, number: int) -> None:
        self.return_owners.append(number)

    def _minutes(self, mean: float) -> float:
        spread = self.shape.stay_spread
        return MINUTE_MS * mean * self.random.lognormvariate(-spread * spread / 2, spread)

    # The queue.

    def _advance(self) -> None:
        if self.rules.phase is Phase.PRE_QUEUE and self.now_ms >= self.opens_ms:
            self.rules, self.bucket = replace(self.rules, phase=Phase.OPEN), rate.empty(self.now_ms * 1000)
        if self.now_ms // presence.SLICE_MS != self.slice:
            self.slice = self.now_ms // presence.SLICE_MS
            self.asked = [self.asked[0], *self.asked[:3]]
        if self.rules.phase is not Phase.OPEN:
            return
        per_minute = self.rules.rate_per_minute
        ask = self.serving + max(presence.ASKED_PEOPLE_MIN, per_minute * presence.ASKED_MINUTES)
        self.asked[0] = max(self.asked[0], ask)
        if self.now_ms % LOOK_MS == 0:
            self._listen()
        self.bucket = rate.settled(self.bucket, rate_per_minute=per_minute, now_us=self.now_ms * 1000)
        turns = rate.turns(self.bucket)
        if self.rules.max_active:
            turns = min(turns, self.rules.max_active - self.active)
        if self.free is not None:
            turns = min(turns, self.free - self.choosing)
        self.bucket = rate.spent(self.bucket, self._walk(max(0, turns)))

    def _listen(self) -> None:
        asked = self.people[self.serving : min(len(self.people), self.asked[3])]
        heard = sum(not one.absent for one in asked)
        self.heard_counts = (len(asked), heard)

    def _walk(self, turns: int) -> int:
        everyone = (
            self.now_ms < self.grace_until_ms
            or self.heard_counts is None
            or (not presence.heard_enough(asked=self.heard_counts[0], heard=self.heard_counts[1]))
        )
        back = len(self.return_owners) - self.return_serving
        both = back > 0 and self.serving < len(self.people)
        for_returns, _ = presence.shares(turns, both_wait=both, odd_to_returns=self.random.random() < 0.5)
        spent = 0
        for _ in range(min(for_returns if both else turns, back)):
            number = self.return_owners[self.return_serving]
            self.return_serving += 1
            self._let_in(self.people[number - 1])
            spent += 1
        lane = Lane(self.serving, len(self.people), self.asked[3])
        while self.serving < len(self.people) and spent < turns:
            person = self.people[self.serving]
            self.serving += 1
            self.called_ms[person.number] = self.now_ms
            self.free_at_turn[person.number] = (self.free if self.free is not None else 1) - self.choosing
            here = not person.absent or presence.counts_as_present(lane, person.number, everyone=everyone)
            if here:
                spent += 1
                self._let_in(person)
            elif person.back_after_ms:
                self._later(person.back_after_ms, "back", person.number)
        return spent

    def _let_in(self, person: Person) -> None:
        self.admitted_total += 1
        self.active += 1
        self.choosing += 1
        self.let_in.add(person.number)
        gone = person.absent and not (person.back_after_ms and person.number in self.return_owners)
        if gone or self.random.random() < self.shape.no_show:
            self._later(self.rules.enter_seconds * 1000, "lapse")
            if gone and person.back_after_ms:
                self._later(person.back_after_ms + self.rules.enter_seconds * 1000, "back", person.number)
        else:
            self._later(TICK_MS if person.hands_free else self._minutes(self.stay * 0.6), "decide", person)

    # What is published, and what people read.

    def state(self) -> QueueState:
        asked, heard = self.heard_counts or (None, None)
        return QueueState(
            now_ms=self.now_ms,
            recovering=False,
            rules=self.rules,
            version=1,
            issued=len(self.people),
            block_end=1_000_000,
            serving=self.serving,
            return_issued=len(self.return_owners),
            return_serving=self.return_serving,
            waiting=len(self.people) - self.serving,
            admitted=0,
            entered=self.choosing,
            holding=self.active - self.choosing,
            admitted_total=self.admitted_total,
            admitted_last_minute=0,
            asked_to=self.asked[0],
            free=self.free,
            held=self.held if self.free is not None else None,
            sections=(),
            grace_until_ms=self.grace_until_ms,
            asked_long=self.asked[3],
            asked=asked,
            heard=heard,
            configured_at_ms=self.configured_ms,
            so_far=SoFar(self.buyers, self.sold + self.held) if self.free is not None else None,
        )

    def _look(self) -> None:
        state = self.state()
        before = self.looked
        self.looked = outlook.following(before, state, status.derived_phase(state))
        if self.estimate:
            self.looked = self.estimate(state, self.looked)
        if before is None or before.epoch != self.looked.epoch:
            self.epochs.append((self.now_ms, self.looked.cause.value))
        self.body = status.document(state, self.looked)

    def _tell(self) -> None:
        now = datetime.fromtimestamp(self.now_ms / 1000, UTC)
        for number in self.tracked:
            if number <= self.serving:
                continue
            ahead = status.people_ahead(number, self.body)
            self.ahead_shown.setdefault(number, []).append(ahead)
            fresh = status.wait_band(number, self.body, now=now)
            shown = band.kept(self.kept.get(number), fresh)
            self.kept[number] = shown or self.kept.get(number)
            self.told.append(
                Told(
                    number,
                    self.now_ms,
                    shown,
                    odds.odds(ahead, self.body),
                    self.looked.sure,
                    self.looked.epoch,
                )
            )
