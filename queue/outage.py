"""A part that is away: said once in the log instead of once per request, and left alone for a moment.

Only for parts that requests can do without (wake-ups, the copy of tickets): no request waits for what it does not need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TimedOut

from onsale.breaker import Breaker

# So long nobody in this process asks again; then one does, and the others go on without it.
REST_SECONDS = 1.0
# What takes connections and does not answer costs whoever asks a whole time limit, and is seldom back at once.
HUNG_REST_SECONDS = 5.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Outage:
    """Whether one part answers, as last seen by this process. Threads may share it."""

    def __init__(self, part: str, *, hung_rest_seconds: float = HUNG_REST_SECONDS) -> None:
        self._part = part
        self._hung_rest_seconds = hung_rest_seconds
        self._breaker = Breaker(REST_SECONDS)

    @property
    def away(self) -> bool:
        """It did not answer when it was last asked: do without it."""
        return self._breaker.away

    def may_ask(self) -> bool:
        """Whether to ask now; whoever does says afterwards whether it `worked` or `failed`."""
        return self._breaker.may_ask()

    def failed(self, error: Exception) -> None:
        """It did not answer."""
        rest = self._hung_rest_seconds if isinstance(error, TimedOut) else REST_SECONDS
        if self._breaker.failed(rest_seconds=rest):
            # The kind only: a driver's message may carry an address with a password in it.
            log.warning("part_away", part=self._part, error=type(error).__name__)

    def worked(self) -> None:
        """It answered."""
        if self._breaker.worked():
            log.info("part_back", part=self._part)

    def attempt(self, ask: Callable[[], T]) -> T | None:
        """What Redis says; None while it rests, and when it does not answer."""
        if not self.may_ask():
            return None
        try:
            answer = ask()
        except RedisError as error:
            self.failed(error)
            return None
        self.worked()
        return answer
