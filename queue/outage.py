"""A part that is away: said once in the log instead of once per request, and left alone for a moment.

Only for parts that requests can do without (wake-ups, the copy of tickets): no request waits for what it does not need.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

# So long nobody in this process asks again; a request that needs it not must not wait for its time limit each time.
REST_SECONDS = 1.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Outage:
    """Whether one part answers, as last seen by this process. Threads may share it."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._away = False
        self._rest_until = 0.0

    @property
    def resting(self) -> bool:
        """It failed a moment ago: do without it."""
        return time.monotonic() < self._rest_until

    def failed(self, error: Exception) -> None:
        """It did not answer."""
        self._rest_until = time.monotonic() + REST_SECONDS
        if not self._away:
            self._away = True
            # The kind only: a driver's message may carry an address with a password in it.
            log.warning("part_away", part=self._part, error=type(error).__name__)

    def worked(self) -> None:
        """It answered."""
        if self._away:
            self._away = False
            log.info("part_back", part=self._part)

    def attempt(self, ask: Callable[[], T]) -> T | None:
        """What Redis says; None while it rests, and when it does not answer."""
        if self.resting:
            return None
        try:
            answer = ask()
        except RedisError as error:
            self.failed(error)
            return None
        self.worked()
        return answer
