"""A circuit breaker: when calls to the provider fail one after the other, the next ones end at once for a while.

Without it a provider that hangs would hold every payment thread for the whole of its patience, again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

# So many failures without an answer in between: more than bad luck at a provider that fails one call in ten.
FAILURES_MAX = 10
PAUSE_SECONDS = 5.0


@dataclass
class Circuit:
    """Closed: calls go through. Open: none does. After the pause one at a time tries, and one answer closes it.

    Thread safe. `trial_seconds` is the longest that a call can take: a trial of a thread that died ends with it.
    """

    trial_seconds: float
    failures_max: int = FAILURES_MAX
    pause_seconds: float = PAUSE_SECONDS
    clock: Callable[[], float] = monotonic
    _failures: int = 0
    _none_before: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lets_through(self) -> bool:
        """Whether this call may be made. Who is told so must say afterwards whether it was answered."""
        with self._lock:
            if self._failures < self.failures_max:
                return True
            now = self.clock()
            if now < self._none_before:
                return False
            # This one tries; the others wait for what it finds.
            self._none_before = now + self.trial_seconds
            return True

    def answered(self) -> bool:
        """The provider is there; whether that is news."""
        with self._lock:
            was_open = self._failures >= self.failures_max
            self._failures = 0
            return was_open

    def failed(self) -> bool:
        """The provider did not answer, or not sensibly; whether calls stop from now on."""
        with self._lock:
            self._failures += 1
            if self._failures < self.failures_max:
                return False
            self._none_before = self.clock() + self.pause_seconds
            return self._failures == self.failures_max
