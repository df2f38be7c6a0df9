"""One pace for all workers together: how soon the next call to somebody with a rate limit may be made."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from onsale.errors import QueueUnavailable
from onsale.queue import lua
from onsale.queue.kept_connections import KeptConnections, KeptScript

MICROSECONDS = 1_000_000
# After a quiet time this much of the rate may go at once.
BURST_SECONDS = 1


class Pace:
    """A shared bucket of turns, kept in Redis and spent atomically (GCRA)."""

    def __init__(self, client: Redis, *, name: str, per_second: int) -> None:
        self._key = f"pace:{{{name}}}"
        self._interval_us = MICROSECONDS // per_second
        self._script = KeptScript(client, lua.load("pace"), KeptConnections(client.connection_pool))

    def turn(self, *, wait_ms_max: int, now_ms: int | None = None) -> int | None:
        """Take the next turn: milliseconds to wait before using it; None (no turn taken) when above `wait_ms_max`."""
        arguments: list[Any] = [self._interval_us, BURST_SECONDS * MICROSECONDS, wait_ms_max]
        try:
            wait = int(self._script([self._key], arguments if now_ms is None else [*arguments, now_ms]))
        except RedisError as error:
            raise QueueUnavailable from error
        return None if wait < 0 else wait
