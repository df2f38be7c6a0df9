"""What is told of the wait comes true on the real queue: the real scripts, on a clock that the test turns."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from redis import Redis

from onsale.queue import band, calibration, outlook, status
from onsale.queue.band import Band
from onsale.queue.recovery import Mark
from onsale.queue.state import Phase
from tests.services.waiting_room import EVENT, MINUTE_MS, RULES, START_MS, Room, a_buyer

SEED = 20_261_127
PEOPLE, MINUTES = 500, 12
STEP_MS, TELL_MS, HEARTBEAT_MS = 1_000, 15_000, 45_000
TRACKED = range(20, PEOPLE + 1, 20)
HELD_LEAST = 0.85


@dataclass
class Sale:
    """A queue under way: who leaves when, what each tracked number was told, when it was called."""

    room: Room
    absent: float = 0.0
    stay_ms: int = 0
    acts: dict[int, Callable[[Sale], None]] = field(default_factory=dict)
    inside: list[tuple[int, str]] = field(default_factory=list)
    kept: dict[int, Band] = field(default_factory=dict)
    told: list[tuple[int, int, Band, bool]] = field(default_factory=list)
    ahead: dict[int, list[int]] = field(default_factory=dict)
    called_ms: dict[int, int] = field(default_factory=dict)
    epochs: list[tuple[int, str]] = field(default_factory=list)
    seen: int = 0

    def run(self) -> Sale:
        chance = random.Random(SEED)
        away = {number for number in range(1, PEOPLE + 1) if chance.random() < self.absent}
        for elapsed_ms in range(STEP_MS, MINUTES * MINUTE_MS, STEP_MS):
            self.room.later(STEP_MS)
            if act := self.acts.get(elapsed_ms):
                act(self)
            if self.absent and elapsed_ms % HEARTBEAT_MS == 0:
                self._heartbeats(away)
            ran = self.room.advance()
            for number in range(ran.first, ran.last + 1) if ran.last else ():
                self.called_ms[number] = self.room.now_ms
                if self.stay_ms:
                    leaves = self.room.now_ms + int(self.stay_ms * chance.lognormvariate(-0.08, 0.4))
                    heapq.heappush(self.inside, (leaves, str(number)))
            while self.inside and self.inside[0][0] <= self.room.now_ms:
                self.room.store.leave(EVENT, heapq.heappop(self.inside)[1])
            self._look(tell=elapsed_ms % TELL_MS == 0)
        return self

    def _heartbeats(self, away: set[int]) -> None:
        for number in range(max(self.called_ms, default=0) + 1, PEOPLE + 1):
            if number not in away:
                self.room.store.heartbeat(EVENT, str(number))

    def _look(self, *, tell: bool) -> None:
        state = self.room.store.snapshot(EVENT, now_ms=self.room.now_ms)
        before = outlook.kept_outlook(state.outlook)
        looked = outlook.following(before, state, status.derived_phase(state))
        assert self.room.store.keep_outlook(EVENT, looked)
        if not self.epochs or self.epochs[-1][0] != looked.epoch:
            self.epochs.append((looked.epoch, looked.cause.value))
        if not tell:
            return
        body = status.document(state, looked)
        now = datetime.fromtimestamp(self.room.now_ms / 1000, UTC)
        self.seen = max(self.seen, state.serving)
        for number in TRACKED:
            if number <= state.serving:
                continue
            self.ahead.setdefault(number, []).append(status.people_ahead(number, body))
            shown = band.kept(self.kept.get(number), status.wait_band(number, body, now=now))
            if shown:
                self.kept[number] = shown
                self.told.append((number, self.room.now_ms, shown, looked.sure))

    def judged(self) -> Counter[str]:
        """Bands for which no reason was published: all, held, sure; and sure, held, no wider than a factor of two."""
        counts: Counter[str] = Counter()
        for number, at_ms, shown, sure in self.told:
            called = self.called_ms.get(number)
            if called is None:
                continue
            held = shown.from_ms - 1_000 <= called <= shown.to_ms + 1_000
            until = min(called, shown.to_ms + 1_000)
            if not held and any(shown.epoch < epoch <= until for epoch, _ in self.epochs):
                continue
            good = sure and held and not calibration.too_wide(shown, at_ms)
            counts.update({"all": 1, "held": held, "sure": sure, "good": good})
        return counts


def pause(sale: Sale) -> None:
    sale.room.configure(phase=Phase.PAUSED)


def resume(sale: Sale) -> None:
    sale.room.configure(phase=Phase.OPEN)


def halve(sale: Sale) -> None:
    sale.room.configure(rate_per_minute=30)


def lose(sale: Sale) -> None:
    """Redis is emptied; the record knows how far the queue was five seconds ago."""
    state = sale.room.store.snapshot(EVENT, now_ms=sale.room.now_ms)
    sale.room.client.flushall()
    mark = Mark(state.serving, 0, PEOPLE, 0, sale.room.now_ms - 5_000)
    sale.room.recover_from(mark, [a_buyer() for _ in range(PEOPLE)], last_reserved=PEOPLE)


MINUTE = MINUTE_MS
SHAPES = {
    "rate": ({}, {}),
    "slots": ({"max_active": 60}, {"stay_ms": 90_000}),
    "absent": ({}, {"absent": 0.3}),
    "paused": ({}, {"acts": {2 * MINUTE: pause, 3 * MINUTE: resume}}),
    "slowed": ({}, {"acts": {2 * MINUTE: halve}}),
    "lost": ({}, {"acts": {3 * MINUTE: lose}}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_told_on_the_real_queue_comes_true(redis_client: Redis, shape: str) -> None:
    print(f"seed {SEED}")
    rules, world = SHAPES[shape]
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=60, enter_seconds=3_600, **rules))
    room.many(PEOPLE)

    sale = Sale(room, **world).run()

    counts = sale.judged()
    assert counts["sure"] > 100
    assert counts["held"] / counts["all"] >= HELD_LEAST, (counts, sale.epochs)
    assert counts["good"] / counts["sure"] >= HELD_LEAST, (counts, sale.epochs)
    for shown in sale.ahead.values():
        assert shown == sorted(shown, reverse=True)
    assert all(cause for _, cause in sale.epochs[1:])


def test_an_older_promise_never_replaces_a_newer_one(redis_client: Redis) -> None:
    room = Room(redis_client)
    state = room.store.snapshot(EVENT, now_ms=START_MS)
    looked = outlook.following(None, state, Phase.OPEN)

    assert room.store.keep_outlook(EVENT, replace(looked, at_ms=START_MS + 1_000))
    assert not room.store.keep_outlook(EVENT, replace(looked, at_ms=START_MS + 500))

    kept = outlook.kept_outlook(room.store.snapshot(EVENT, now_ms=START_MS).outlook)
    assert kept is not None
    assert kept.at_ms == START_MS + 1_000
