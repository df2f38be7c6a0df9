"""A part that does not answer is left alone for a while; then one asks again, and the others go on without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Whether to ask one part, as far as this process knows. Thread safe.

    While the part is away one call in `rest_seconds` is let through: it alone waits for what may not come.
    """

    def __init__(self, rest_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._away = False
        self._rests_until = 0.0

    @property
    def away(self) -> bool:
        """It did not answer when it was last asked."""
        return self._away

    def may_ask(self) -> bool:
        """Whether to ask now; whoever is told so tells afterwards what came of it."""
        if not self._away:
            return True
        with self._lock:
            now = self._clock()
            if self._away and now < self._rests_until:
                return False
            # For everybody else the rest begins anew; it ends by itself when this call never comes back.
            self._rests_until = now + self._rest_seconds
            return True

    def was_not_asked(self) -> None:
        """Whoever might have asked had no question after all; the next one may."""
        with self._lock:
            self._rests_until = min(self._rests_until, self._clock())

    def failed(self, *, rest_seconds: float | None = None) -> bool:
        """It did not answer; whether that is new. `rest_seconds`: of this failure, where it is another than usual."""
        with self._lock:
            was_away, self._away = self._away, True
            self._rests_until = self._clock() + (self._rest_seconds if rest_seconds is None else rest_seconds)
            return not was_away

    def worked(self) -> bool:
        """It answered; whether that is new."""
        if not self._away:
            return False
        with self._lock:
            was_away, self._away = self._away, False
            return was_away
