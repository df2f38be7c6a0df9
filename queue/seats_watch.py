"""Follows the live seats of events over asyncio: a word at each change, one read after it, and that somebody looks.

For the process that lets viewers wait. It reads what `live_seats.py` reads, and knows of no record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from onsale.db.ids import EventId
from onsale.queue import lua
from onsale.queue.client import ANSWER_SECONDS, HEALTH_CHECK_SECONDS
from onsale.queue.keys import SEATS_WATCHED, EventKeys
from onsale.queue.live_seats import WATCHED_MAX, WATCHED_MS, understood
from onsale.queue.seats_seen import SeatsSeen

# So long after a lost subscription the next one is tried; meanwhile everybody looks once a second anyway.
AGAIN_SECONDS = 1.0


class SeatsWatch:
    """Live seats of all events, for one event loop. Every call raises RedisError when Redis does not answer."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1),
            health_check_interval=HEALTH_CHECK_SECONDS,
        )
        self._read = self._client.register_script(lua.load("read_seats"))
        self._watch = self._client.register_script(lua.load("watch_seats"))
        self._pubsub: PubSub | None = None
        self._channels: dict[bytes, EventId] = {}

    async def read(self, event_id: EventId, before: SeatsSeen | None) -> SeatsSeen | None:
        """The seats now, from those before where that is possible; None when no epoch has begun."""
        known = (before.epoch, before.seq) if before else ("", 0)
        answer: Sequence[Any] = await self._read(EventKeys(event_id).live_seats(), known)
        return understood(event_id, before, answer)

    async def look(self, looking: Iterable[EventId]) -> None:
        """Say that somebody here looks at these, so that some web process compares them with the record."""
        await self._watch([SEATS_WATCHED], [WATCHED_MS, WATCHED_MAX, *looking])

    async def follow(self, event_id: EventId) -> None:
        """Be told of this event's changes from now on."""
        channel = EventKeys(event_id).seats_about.encode()
        self._channels[channel] = event_id
        if self._pubsub is not None:
            await self._pubsub.subscribe(channel)

    async def leave(self, event_id: EventId) -> None:
        """Be told no more."""
        channel = EventKeys(event_id).seats_about.encode()
        self._channels.pop(channel, None)
        if self._pubsub is not None:
            await self._pubsub.unsubscribe(channel)

    async def listen(self, changed: Callable[[EventId], None]) -> None:
        """Call `changed` at each word, until cancelled; after a lost connection for all, which may have changed."""
        while True:
            try:
                await self._listen(changed)
            except RedisError:
                self._pubsub = None
            await asyncio.sleep(AGAIN_SECONDS)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _listen(self, changed: Callable[[EventId], None]) -> None:
        async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
            # One more that nobody speaks on: without any there would be no connection to listen to.
            await pubsub.subscribe(*self._channels, SEATS_WATCHED)
            self._pubsub = pubsub
            for event_id in self._channels.values():
                changed(event_id)
            while True:
                message = await pubsub.get_message(timeout=HEALTH_CHECK_SECONDS)
                about = self._channels.get(message["channel"]) if message else None
                if about is not None:
                    changed(about)
