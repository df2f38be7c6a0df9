"""Which processes spare a payment provider that is away, told to each other: `/metrics` of any web process shows it.

Each process decides for itself (`onsale.payments.circuit`); this is only what the others see of it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from onsale.errors import QueueUnavailable
from onsale.queue.outage import Outage

# A process that died with its circuit open, or is asked nothing any more, is forgotten after this long.
KEPT_SECONDS = 60
_OPEN, _OPENED = "circuit:{provider}:open", "circuit:{provider}:opened"


@dataclass(frozen=True, slots=True)
class Spared:
    """How many processes make no calls now, and how often one began not to."""

    processes: int
    openings: int


class Circuits:
    """The open circuits, on the cache's Redis: if it forgets them, only a picture is wrong for a minute."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._process = secrets.token_hex(8)
        self._outage = Outage("cache")

    def told(self, opened: bool) -> None:
        """This process's circuit opened (or its probe failed), or closed. Raises nothing."""
        self._outage.attempt(self._open if opened else self._close)

    def spared(self) -> Spared:
        """Raises QueueUnavailable."""
        try:
            processes = self._client.zcount(_OPEN, self._now(), "+inf")
            openings = self._client.get(_OPENED)
        except RedisError as error:
            raise QueueUnavailable from error
        return Spared(int(processes), int(openings or 0))

    def _open(self) -> None:
        now = self._now()
        self._client.zremrangebyscore(_OPEN, "-inf", now)
        # Counted once, however many probes fail: only a member that is new.
        if self._client.zadd(_OPEN, {self._process: now + KEPT_SECONDS}):
            self._client.incr(_OPENED)
        self._client.expire(_OPEN, KEPT_SECONDS)

    def _close(self) -> None:
        self._client.zrem(_OPEN, self._process)

    def _now(self) -> float:
        """By Redis' clock: the processes are on many machines."""
        seconds, microseconds = self._client.time()
        return float(seconds) + float(microseconds) / 1e6
