"""Faults that come by chance: which part of all calls and webhooks goes wrong, by a seeded draw."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from onsale.sandbox.stripe_simulator.errors import invalid

LATE_MS = 30_000
LATE_MS_MAX = 60_000
SEED_MAX = (1 << 63) - 1


class Fault(StrEnum):
    """What goes wrong with a call."""

    # Nothing was done, and the 500 is replayed for its key, as at Stripe.
    SERVER_ERROR = "server_error"
    # It was done, and the answer is a 500 all the same: only asking again tells.
    SERVER_ERROR_AFTER = "server_error_after"
    # It was done, and the answer comes when the caller has long given up.
    LATE = "late"
    # 429: nothing was done, nothing is remembered.
    RATE_LIMIT = "rate_limit"


class Mishap(StrEnum):
    """What goes wrong with a webhook."""

    LOST = "webhook_lost"
    DOUBLED = "webhook_doubled"


@dataclass(frozen=True)
class Chances:
    """Of all POSTs, and of all webhooks, which part goes wrong in which way (0 to 1); none does by default.

    The same seed draws the same faults for calls that come in the same order.
    """

    server_error: float = 0.0
    server_error_after: float = 0.0
    late: float = 0.0
    rate_limit: float = 0.0
    webhook_lost: float = 0.0
    webhook_doubled: float = 0.0
    late_ms: int = LATE_MS
    seed: int = 1


SHARES: tuple[str, ...] = (*Fault, *Mishap)


class Draws:
    """The faults drawn so far, and how many of each there were. Thread safe."""

    def __init__(self, chances: Chances) -> None:
        self.chances = chances
        self._lock = threading.Lock()
        self._chance = random.Random(chances.seed)  # noqa: S311 - a bank's bad luck, nobody's secret
        self._drawn: Counter[str] = Counter()

    def call(self) -> Fault | None:
        """What goes wrong with this call."""
        drawn = self._draw(*Fault)
        return None if drawn is None else Fault(drawn)

    def happens(self, mishap: Mishap) -> bool:
        """Whether this webhook has that one."""
        return self._draw(mishap) is not None

    def drawn(self) -> dict[str, int]:
        """How many of each there were, those that may come by these chances with a 0 as well."""
        with self._lock:
            return {name: self._drawn[name] for name in SHARES if getattr(self.chances, name)}

    def _draw(self, *kinds: str) -> str | None:
        with self._lock:
            at = self._chance.random()
            for kind in kinds:
                at -= getattr(self.chances, kind)
                if at < 0:
                    self._drawn[kind] += 1
                    return str(kind)
        return None


def chances(sent: Any) -> Chances:
    """What was sent as `chances`; refuses unknown names and wrong values by name."""
    known = [each.name for each in fields(Chances)]
    if not isinstance(sent, dict) or not set(sent) <= set(known):
        raise invalid(f"chances is an object with any of {', '.join(known)}.", param="chances")
    for name, value in sent.items():
        if name in SHARES:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise invalid(f"{name} is a share from 0 to 1.", param="chances")
        else:
            whole(name, value, 0, SEED_MAX if name == "seed" else LATE_MS_MAX)
    found = Chances(**sent)
    if sum(getattr(found, kind) for kind in Fault) > 1:
        raise invalid(f"{', '.join(Fault)} add up to more than 1.", param="chances")
    return found


def whole(name: str, value: Any, lowest: int, highest: int) -> int:
    """The value, if it is a whole number between these."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise invalid(f"{name} is a whole number from {lowest} to {highest}.", param=name)
    return value
