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
# Between two answers to the same viewer: in proportion to how many were told, so that answering takes a bounded share
# of a processor; never so long that a change is seen a second late.
PACE_SECONDS_A_VIEWER = 0.000075
PACE_SECONDS_MIN, PACE_SECONDS_MAX = 0.05, 0.6
# Numbers of events nobody keeps seats of, asked for again and again, cost a call to Redis once a second.
UNKNOWN_SECONDS = 1.0
UNKNOWN_KEPT = 1_000

log = structlog.get_logger(__name__)

# What a viewer knows and of which section: who has the same is answered with the same bytes.
Known = tuple[str | None, int | None]
# Called once: with what there is to tell and its entity tag, or with nothing when nobody can wait any more.
Tell = Callable[[bytes, bytes], None]


@dataclass(eq=False, slots=True)
class Waiting:
    """Somebody who waits for news of a show."""

    show: Show
    known: Known
    tell: Tell


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
        """Whether there is something to tell this viewer; who waits has been told all there is."""
        if known in self.waiting:
            return False
        return self.changed_for(known)

    def changed_for(self, known: Known) -> bool:
        """Whether these seats are others than a viewer knows."""
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

    def open_show(self, event_id: EventId) -> Show | None:
        """The show, if somebody has looked at it and it is not stale; otherwise ask `show`."""
        show = self._shows.get(event_id)
        if show is None or show.stale:
            return None
        show.asked_at = time.monotonic()
        return show

    async def show(self, event_id: EventId) -> Show:
        """The show, opened for the first who looks. Raises NotShown."""
        show = self._shows.get(event_id)
        if show is None:
            show = await self._opened(event_id)
        show.asked_at = time.monotonic()
        if show.stale:
            raise NotShown
        return show

    def wait(self, show: Show, known: Known, tell: Tell) -> Waiting:
        """Be told what changed since, as soon as something has. Raises TooManyViewers."""
        if self.viewers >= self._viewers_max:
            raise TooManyViewers
        waiting = Waiting(show, known, tell)
        show.waiting[known].add(waiting)
        self._count(show, 1)
        return waiting

    def leave(self, waiting: Waiting) -> None:
        """Wait no more; for one who has been told it does nothing."""
        group = waiting.show.waiting.get(waiting.known)
        if group is not None and waiting in group:
            group.remove(waiting)
            self._count(waiting.show, -1)
            if not group:
                del waiting.show.waiting[waiting.known]

    def _count(self, show: Show, more: int) -> None:
        show.viewers += more
        self.viewers += more

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
                told = await self._read(event_id, show)
                if told is not None:
                    await asyncio.sleep(_pace(told))
        finally:
            self._shows.pop(event_id, None)
            _release(show)
        await self._unsubscribe(event_id)

    async def _read(self, event_id: EventId, show: Show) -> int | None:
        """How many were told, if the seats have changed; None when they have not."""
        try:
            seen = await self._watch.read(event_id, show.seen)
        except RedisError:
            seen = None
        if seen is None:
            # Redis is away or has forgotten; the web begins anew within moments.
            if show.stale:
                _release(show)
            return None
        show.read_at = time.monotonic()
        if seen.version == show.seen.version:
            return None
        show.seen, told = seen, 0
        for known in [each for each in show.waiting if show.changed_for(each)]:
            body, tag, group = seen.told(*known), seen.tag(known[0]).encode(), show.waiting.pop(known)
            self._count(show, -len(group))
            told += len(group)
            for waiting in group:
                waiting.tell(body, tag)
        return told

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


def _pace(told: int) -> float:
    return min(PACE_SECONDS_MAX, max(PACE_SECONDS_MIN, told * PACE_SECONDS_A_VIEWER))


def _release(show: Show) -> None:
    for waiting in [each for group in show.waiting.values() for each in group]:
        waiting.tell(b"", b"")
