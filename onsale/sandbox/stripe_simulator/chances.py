"""What goes wrong on purpose, by name; and by chance: which part of all calls and webhooks, by a seeded draw."""

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
    # The bank takes its time before anything is done; the key is in flight meanwhile.
    DELAY = "delay"
    # 429: nothing was done, nothing is remembered.
    RATE_LIMIT = "rate_limit"
    # 429 as well: somebody else works on this object.
    LOCK_TIMEOUT = "lock_timeout"
    # 409: as if another request with this key were under way.
    KEY_IN_USE = "key_in_use"


class Mishap(StrEnum):
    """What goes wrong with a webhook."""

    LOST = "webhook_lost"
    # It comes when nobody expects it any more.
    LATE = "webhook_late"
    # It is held back until those that happened after it have overtaken it.
    OUT_OF_ORDER = "webhook_out_of_order"
    DOUBLED = "webhook_doubled"
    # Before it comes another one that says the same and is signed by somebody else.
    FORGED = "webhook_forged"


# Not drawn but counted: the shop took a forged webhook for a true one.
FORGED_ACCEPTED = "webhook_forged_accepted"
# What can happen to a webhook before it is sent; the others happen when it is.
BEFORE_SENDING = (Mishap.LOST, Mishap.LATE, Mishap.OUT_OF_ORDER)
# Beyond Stripe's cards: each pays as a Visa, but the first confirmation of a payment with it goes wrong.
BY_CARD = {f"pm_card_simulator_{kind}": kind for kind in Fault}


@dataclass(frozen=True)
class Chances:
    """Of all POSTs, and of all webhooks, which part goes wrong in which way (0 to 1); none does by default.

    The same seed draws the same faults for calls that come in the same order.
    """

    server_error: float = 0.0
    server_error_after: float = 0.0
    late: float = 0.0
    delay: float = 0.0
    rate_limit: float = 0.0
    lock_timeout: float = 0.0
    key_in_use: float = 0.0
    webhook_lost: float = 0.0
    webhook_late: float = 0.0
    webhook_out_of_order: float = 0.0
    webhook_doubled: float = 0.0
    webhook_forged: float = 0.0
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
        self._any = any(getattr(chances, name) for name in SHARES)

    def call(self) -> Fault | None:
        """What goes wrong with this call."""
        drawn = self._draw(*Fault)
        return None if drawn is None else Fault(drawn)

    def before_sending(self) -> Mishap | None:
        """What happens to a webhook that is about to be queued."""
        drawn = self._draw(*BEFORE_SENDING)
        return None if drawn is None else Mishap(drawn)

    def happens(self, mishap: Mishap) -> bool:
        """Whether this webhook has that one."""
        return self._draw(mishap) is not None

    def note(self, name: str) -> None:
        """Count something that came of a fault."""
        with self._lock:
            self._drawn[name] += 1

    def drawn(self) -> dict[str, int]:
        """How many of each there were, those that may come by these chances with a 0 as well."""
        with self._lock:
            may_come = {name: self._drawn[name] for name in SHARES if getattr(self.chances, name)}
            return {**may_come, **self._drawn}

    def _draw(self, *kinds: str) -> str | None:
        if not self._any:
            return None
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
    for together in (tuple(Fault), BEFORE_SENDING):
        if sum(getattr(found, kind) for kind in together) > 1:
            raise invalid(f"{', '.join(together)} add up to more than 1.", param="chances")
    return found


def whole(name: str, value: Any, lowest: int, highest: int) -> int:
    """The value, if it is a whole number between these."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise invalid(f"{name} is a whole number from {lowest} to {highest}.", param=name)
    return value
