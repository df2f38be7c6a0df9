"""Everybody who looks on: the seats of each event as shown now, and who waits for them to change.

An event's seats are read once after each word of a change, however many wait; all who knew the same version are
answered with the same bytes. A word may be lost: it is looked every second anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.exceptions import RedisError

from onsale.db.ids import EventId
from onsale.queue.seats_seen import SeatsSeen
from onsale.queue.seats_watch import SeatsWatch

LOOK_SECONDS = 1.0
# Seats that could not be read for so long are not shown: the web reads them from the record.
STALE_SECONDS = 5.0
# Nobody asked for so long: the event is no longer followed.
IDLE_SECONDS = 30.0
EVENTS_MAX = 500
# Between two answers to the same viewer: in proportion to how many wait, so that answering takes a bounded share of a
# processor; never so long that a change is seen a second late.
PACE_SECONDS_A_VIEWER = 0.0002
PACE_SECONDS_MIN, PACE_SECONDS_MAX = 0.05, 0.6
# Numbers of events nobody keeps seats of, asked for again and again, cost a call to Redis once a second.
UNKNOWN_SECONDS = 1.0
UNKNOWN_KEPT = 1_000

log = structlog.get_logger(__name__)

# Who waits longer than this is looked after: an abandoned wait must not take somebody's place. While a house sells
# nobody waits so long, and looking after each costs as much again as half an answer.
ABANDONED_SECONDS = 2.0
# How exactly a wait ends.
TICK_SECONDS = 0.5

# What a viewer knows and of which section: who has the same is answered with the same bytes.
Known = tuple[str | None, int | None]
# Ends when whoever waits has gone.
Gone = Callable[[], Coroutine[Any, Any, None]]


@dataclass(eq=False, slots=True)
class Waiting:
    """Somebody who waits, and until when; moments of the monotonic clock."""

    answer: asyncio.Future[bytes | None]
    gone: Gone
    since: float
    until: float
    watched: bool = False

    def settle(self, body: bytes | None) -> None:
        """Answer, unless that is done."""
        if not self.answer.done():
            self.answer.set_result(body)


class NotShown(Exception):
    """Nobody here can tell these seats: ask the web."""


class TooManyViewers(Exception):
    """As many wait as may wait."""


@dataclass
class Show:
    """One event that somebody looks at."""

    seen: SeatsSeen
    read_at: float
    asked_at: float
    waiting: dict[Known, set[Waiting]] = field(default_factory=lambda: defaultdict(set))
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    viewers: int = 0

    @property
    def stale(self) -> bool:
        return time.monotonic() - self.read_at > STALE_SECONDS

    def news_for(self, known: Known) -> bool:
        """Whether there is something to tell this viewer."""
        since, section_id = known
        seq = self.seen.known(since)
        return seq is None or self.seen.changed(seq, section_id)


class Gallery:
    """All shows of this process. Made and used in one event loop."""

    def __init__(self, watch: SeatsWatch, *, viewers_max: int) -> None:
        self._watch = watch
        self._viewers_max = viewers_max
        self._shows: dict[EventId, Show] = {}
        self._opening: dict[EventId, asyncio.Task[Show]] = {}
        self._unknown: dict[EventId, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.viewers = 0
        self.draining = False

    def open(self) -> None:
        """Begin to listen."""
        self._spawn(self._watch.listen(self._stir))
        self._spawn(self._keep_looking())
        self._spawn(self._keep_time())

    async def close(self) -> None:
        """Answer everybody, end the tasks and let go of the connections."""
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._watch.close()

    def drain(self) -> None:
        """Let nobody wait any more: who waits is answered with what there is."""
        self.draining = True
        for show in self._shows.values():
            _release(show)

    async def seen(self, event_id: EventId) -> SeatsSeen:
        """The seats as they are shown now. Raises NotShown."""
        return (await self._show(event_id)).seen

    async def news(self, event_id: EventId, known: Known, *, wait_seconds: float, gone: Gone) -> bytes | None:
        """What changed since, as soon as something has; None when nothing did, or whoever waits has gone.

        Raises NotShown, TooManyViewers.
        """
        show = await self._show(event_id)
        if show.news_for(known):
            return show.seen.told(*known)
        if self.draining:
            return None
        if self.viewers >= self._viewers_max:
            raise TooManyViewers
        return await self._wait(show, known, wait_seconds, gone)

    async def _wait(self, show: Show, known: Known, wait_seconds: float, gone: Gone) -> bytes | None:
        now = time.monotonic()
        waiting = Waiting(asyncio.get_running_loop().create_future(), gone, now, now + wait_seconds)
        show.waiting[known].add(waiting)
        show.viewers += 1
        self.viewers += 1
        try:
            return await waiting.answer
        finally:
            self.viewers -= 1
            show.viewers -= 1
            group = show.waiting.get(known)
            if group is not None:
                group.discard(waiting)
                if not group:
                    del show.waiting[known]

    async def _keep_time(self) -> None:
        """End the waits that are over, look after those that take long. Timers would be a fifth of an answer's cost."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for show in self._shows.values():
                for waiting in [each for group in show.waiting.values() for each in group]:
                    if now >= waiting.until:
                        waiting.settle(None)
                    elif now >= waiting.since + ABANDONED_SECONDS and not waiting.watched:
                        self._look_after(waiting)

    def _look_after(self, waiting: Waiting) -> None:
        """Make room when whoever waits has gone."""

        async def watch() -> None:
            await waiting.gone()
            waiting.settle(None)

        waiting.watched = True
        watching = self._spawn(watch())
        waiting.answer.add_done_callback(lambda _: watching.cancel())

    async def _show(self, event_id: EventId) -> Show:
        show = self._shows.get(event_id)
        if show is None:
            show = await self._opened(event_id)
        show.asked_at = time.monotonic()
        if show.stale:
            raise NotShown
        return show

    async def _opened(self, event_id: EventId) -> Show:
        """The show, read once however many come at the same time."""
        if time.monotonic() < self._unknown.get(event_id, 0.0) or len(self._shows) >= EVENTS_MAX:
            raise NotShown
        task = self._opening.get(event_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._open_show(event_id))
            self._opening[event_id] = task
            task.add_done_callback(lambda _: self._opening.pop(event_id, None))
        return await asyncio.shield(task)

    async def _open_show(self, event_id: EventId) -> Show:
        try:
            seen = await self._watch.read(event_id, None)
        except RedisError:
            seen = None
        now = time.monotonic()
        if seen is None:
            if len(self._unknown) >= UNKNOWN_KEPT:
                self._unknown.clear()
            self._unknown[event_id] = now + UNKNOWN_SECONDS
            raise NotShown
        show = self._shows[event_id] = Show(seen, now, now)
        self._spawn(self._follow(event_id, show))
        return show

    async def _follow(self, event_id: EventId, show: Show) -> None:
        """Read after each word, or after a second without one, and answer who waits; until nobody asks any more."""
        try:
            await self._subscribe(event_id)
            # What came between the first reading and the subscription had nobody to tell.
            show.stirred.set()
            while show.viewers or time.monotonic() - show.asked_at < IDLE_SECONDS:
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await show.stirred.wait()
                except TimeoutError:
                    pass
                show.stirred.clear()
                if await self._read(event_id, show):
                    await asyncio.sleep(_pace(show.viewers))
        finally:
            self._shows.pop(event_id, None)
            _release(show)
        await self._unsubscribe(event_id)

    async def _read(self, event_id: EventId, show: Show) -> bool:
        """Whether the seats have changed; then who waits is answered."""
        try:
            seen = await self._watch.read(event_id, show.seen)
        except RedisError:
            seen = None
        if seen is None:
            # Redis is away or has forgotten; the web begins anew within moments.
            if show.stale:
                _release(show)
            return False
        show.read_at = time.monotonic()
        if seen.version == show.seen.version:
            return False
        show.seen = seen
        for known in [each for each in show.waiting if show.news_for(each)]:
            body = seen.told(*known)
            for waiting in show.waiting.pop(known):
                waiting.settle(body)
        return True

    async def _subscribe(self, event_id: EventId) -> None:
        try:
            await self._watch.follow(event_id)
        except RedisError:
            log.warning("seats_not_followed", event_id=event_id)

    async def _unsubscribe(self, event_id: EventId) -> None:
        try:
            await self._watch.leave(event_id)
        except RedisError:
            log.warning("seats_not_left", event_id=event_id)

    async def _keep_looking(self) -> None:
        while True:
            looking = list(self._looked_at())
            try:
                if looking:
                    await self._watch.look(looking)
            except RedisError:
                log.warning("seats_look_not_said", events=len(looking))
            await asyncio.sleep(LOOK_SECONDS)

    def _looked_at(self) -> Iterator[EventId]:
        now = time.monotonic()
        return (each for each, show in self._shows.items() if show.viewers or now - show.asked_at < IDLE_SECONDS)

    def _stir(self, event_id: EventId) -> None:
        show = self._shows.get(event_id)
        if show is not None:
            show.stirred.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("gallery_task_broken", exc_info=task.exception())


def _pace(viewers: int) -> float:
    return min(PACE_SECONDS_MAX, max(PACE_SECONDS_MIN, viewers * PACE_SECONDS_A_VIEWER))


def _release(show: Show) -> None:
    for waiting in [each for group in show.waiting.values() for each in group]:
        waiting.settle(None)
