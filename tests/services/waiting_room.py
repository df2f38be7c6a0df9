"""A waiting room to test: one event's queue on a real Valkey, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from redis import Redis

from onsale.db.ids import BuyerId, EventId
from onsale.queue import lua, recovery
from onsale.queue.keys import EventKeys, number_place
from onsale.queue.recovery import Mark
from onsale.queue.state import Advanced, Joined, Phase, QueueRules, QueueState, Restored, Slots
from onsale.queue.store import QueueStore

EVENT = EventId(7)
ADDRESS = "203.0.113.7"
# A moment at which a slice of presence begins.
START_MS = 1_800_000_000_000
MINUTE_MS = 60_000
RULES = QueueRules(
    phase=Phase.OPEN, opens_at=datetime.fromtimestamp(START_MS / 1000, UTC), rate_per_minute=600, max_active=0
)
EMPTY = recovery.restored(None, last_reserved=0, journal_last=0, return_last=0, rate_per_minute=0, alive_ms=START_MS)
# Past the grace after an opening, and past the time for which presence must have been asked.
PATIENCE_MS = 4 * MINUTE_MS


class Room:
    """The queue of one event; every call is made at `now_ms`."""

    def __init__(
        self,
        client: Redis,
        *,
        rules: QueueRules = RULES,
        block: int = 1_000_000,
        sources: dict[str, str] | None = None,
        store: QueueStore | None = None,
    ) -> None:
        self.client = client
        self.keys = EventKeys(EVENT)
        self.store = store or QueueStore(client, sources=sources)
        self.now_ms = START_MS
        self.rules = rules
        self.version = 1
        self.recover(EMPTY)
        self.store.grant_block(EVENT, block)

    def recover(self, restored: Restored) -> None:
        assert self.store.begin_recovery(EVENT, restored, self.rules, version=self.version, now_ms=self.now_ms)
        assert self.store.finish_recovery(EVENT, now_ms=self.now_ms)

    def recover_from(
        self,
        mark: Mark,
        buyers: Sequence[BuyerId],
        *,
        last_reserved: int,
        slots: Slots | None = None,
        returns: Sequence[tuple[int, int]] = (),
    ) -> None:
        """What `workers/recovery.py` does with the record: `buyers` are journaled under the numbers from 1."""
        restored = recovery.restored(
            mark,
            last_reserved=last_reserved,
            journal_last=len(buyers),
            return_last=max((back for _, back in returns), default=0),
            rate_per_minute=self.rules.rate_per_minute,
            alive_ms=self.now_ms,
        )
        places = recovery.admitted_again(restored, first=1, return_first=1, taken=slots or {}, slots_left=1_000)
        assert self.store.begin_recovery(EVENT, restored, self.rules, version=self.version, now_ms=self.now_ms)
        self.store.restore_joins(EVENT, [(number, one, self.now_ms) for number, one in enumerate(buyers, start=1)])
        self.store.restore_returns(EVENT, returns)
        self.store.follow(EVENT, slots or {})
        self.store.restore_admitted(EVENT, places, deadline_ms=self.now_ms + MINUTE_MS)
        assert self.store.finish_recovery(EVENT, now_ms=self.now_ms)

    def recover_from_nothing(self, *, last_reserved: int) -> None:
        """Opened with nobody restored."""
        self.recover(replace(EMPTY, issued=last_reserved))

    def later(self, milliseconds: int) -> Room:
        self.now_ms += milliseconds
        return self

    def join(self, buyer_id: BuyerId | None = None, *, address: str = ADDRESS, proven: int | None = None) -> Joined:
        return self.store.join(EVENT, buyer_id or a_buyer(), address=address, proven=proven, now_ms=self.now_ms)

    def crowd(self, people: int) -> list[int]:
        """So many newcomers; their numbers."""
        return [self.join().number for _ in range(people)]

    def many(self, people: int) -> None:
        """So many numbers given out at once, without buyers: what `advance` looks at, and nothing else."""
        self.client.hincrby(self.keys.queue, "issued", people)

    def advance(self, **options: int) -> Advanced:
        return self.store.advance(EVENT, now_ms=self.now_ms, **options)

    def advance_until(self, until_ms: int, *, step_ms: int = 100) -> list[Advanced]:
        """Turn the clock step by step and advance at each."""
        runs = []
        while self.now_ms < until_ms:
            self.later(min(step_ms, until_ms - self.now_ms))
            runs.append(self.advance())
        return runs

    def enter(self, place: int | str) -> str:
        return self.store.enter(EVENT, str(place), now_ms=self.now_ms).admission_id

    def come_back(self, number: int) -> int:
        return self.store.come_back(EVENT, number, now_ms=self.now_ms)

    def configure(self, **changed: object) -> None:
        self.version += 1
        self.rules = replace(self.rules, **changed)  # type: ignore[arg-type]  # a test's own words
        assert self.store.configure(EVENT, self.rules, version=self.version, now_ms=self.now_ms)

    def standing(self, place: int | str) -> str:
        return self.store.place_at(EVENT, str(place), now_ms=self.now_ms).standing.value

    def state(self) -> QueueState:
        return self.store.snapshot(EVENT, now_ms=self.now_ms)

    def heard(self, *numbers: int) -> None:
        for number in numbers:
            self.store.heartbeat(EVENT, number_place(number))


def a_buyer() -> BuyerId:
    return BuyerId(uuid4())


def without_guard(script: str, guard: str) -> dict[str, str]:
    """The script's source with one guard cut out, for a negative control."""
    text = lua.load(script)
    start, end = f"-- guard: {guard}\n", "-- end guard\n"
    before, found, rest = text.partition(start)
    assert found, f"{script}.lua has no guard called {guard}"
    return {script: before + rest.partition(end)[2]}


def in_parallel(call: object, times: int, *, threads: int = 16) -> list[object]:
    """What `times` calls at once returned or raised."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(call) for _ in range(times)]  # type: ignore[arg-type]  # a test's own callable
        return [future.exception() or future.result() for future in waiting]
