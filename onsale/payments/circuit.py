"""A circuit breaker: when the payment provider fails again and again, calls end at once for a while, then one tries.

Without it every payment of a sale would wait out its 25 seconds on a provider that is gone, and hold a thread for it.
A decline, a 429 and any other answer below 500 is an answer: who answers is not away.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic

import structlog

from onsale.errors import ProviderUnavailable

# Failures in a row. More than chance: a provider that fails one call in twenty does this once in three million.
FAILURES_MAX = 5
# Short against the time that a buyer has to pay; long against what a provider needs to notice that it is spared.
PAUSE_SECONDS = 5.0
# Longer than any call takes. A probe whose end nobody heard of must not keep everybody out for ever.
PROBE_SECONDS_MAX = 35.0

log = structlog.get_logger(__name__)


class Way(StrEnum):
    """What a caller may do."""

    CALL = "call"
    PROBE = "probe"  # call, and be the one who finds out
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Circuit:
    """Calls pass while `rest_until` is None (it is closed); else nobody calls before it, and one at a time after it."""

    failures: int = 0
    rest_until: float | None = None
    probe_until: float | None = None

    @property
    def open(self) -> bool:
        """Whether calls end at once."""
        return self.rest_until is not None


def enter(circuit: Circuit, *, now: float) -> tuple[Circuit, Way]:
    """Whether a call may be made now."""
    if circuit.rest_until is None:
        return circuit, Way.CALL
    if now < circuit.rest_until or (circuit.probe_until is not None and now < circuit.probe_until):
        return circuit, Way.WAIT
    return replace(circuit, probe_until=now + PROBE_SECONDS_MAX), Way.PROBE


def answered(_: Circuit) -> Circuit:
    """The provider is there, whoever asked it: all may call."""
    return Circuit()


def failed(circuit: Circuit, way: Way, *, now: float) -> Circuit:
    """A call got no answer, or a failure of the provider's own.

    While the circuit is open only its probe counts: those who were under way when it opened tell nothing new.
    """
    if circuit.open:
        return Circuit(circuit.failures, now + PAUSE_SECONDS) if way is Way.PROBE else circuit
    failures = circuit.failures + 1
    return Circuit(failures, now + PAUSE_SECONDS if failures >= FAILURES_MAX else None)


def wait_seconds(circuit: Circuit, *, now: float) -> int:
    """When to come again; at least a second."""
    return max(1, math.ceil((circuit.rest_until or now) - now))


class Breaker:
    """The circuit of one process. Thread safe; `told` hears each opening (True, also a failed probe) and closing.

    with breaker.call() as call:      # ProviderUnavailable at once while the circuit is open
        answer = ...
        call.answered = answer.status < 500
    """

    def __init__(
        self, *, told: Callable[[bool], None] = lambda _: None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._circuit = Circuit()
        self._told = told
        self._clock = clock

    def call(self) -> Call:
        """One call on its way."""
        return Call(self)

    def enter(self) -> Way:
        """May we? Raises ProviderUnavailable with the seconds to wait."""
        with self._lock:
            now = self._clock()
            self._circuit, way = enter(self._circuit, now=now)
            if way is Way.WAIT:
                raise ProviderUnavailable(retry_after_seconds=wait_seconds(self._circuit, now=now))
            return way

    def leave(self, way: Way, *, worked: bool) -> None:
        """What came of it."""
        with self._lock:
            before, now = self._circuit, self._clock()
            self._circuit = after = answered(before) if worked else failed(before, way, now=now)
        if after.open and (not before.open or way is Way.PROBE):
            log.warning("payment_circuit_open", failures=after.failures, probe=way is Way.PROBE)
            self._told(True)
        elif before.open and not after.open:
            log.info("payment_circuit_closed")
            self._told(False)


class Call:
    """Says how it ended, also when it raised."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._way = Way.CALL
        self.answered = False

    def __enter__(self) -> Call:
        self._way = self._breaker.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._breaker.leave(self._way, worked=self.answered)
