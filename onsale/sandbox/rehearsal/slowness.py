"""A bank that is ten times slower for a while: what `--faults slow-provider@30s..60s` asks for, and how it is done."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

# What a call takes at a bank that is well, and at one that is not.
USUAL_MS, SLOW_TIMES = 100, 10
SECONDS_MAX = 36_000


@dataclass(frozen=True)
class SlowProvider:
    """From one second of the rehearsal to another."""

    from_seconds: int
    to_seconds: int

    @classmethod
    def parse(cls, text: str) -> SlowProvider:
        """`slow-provider@FROMs..TOs`; ValueError says what it wants."""
        found = re.fullmatch(r"slow-provider@(\d{1,5})s\.\.(\d{1,5})s", text, re.ASCII)
        if found is None or not int(found[1]) < int(found[2]) <= SECONDS_MAX:
            raise ValueError(f"{text!r}: wants slow-provider@FROMs..TOs, as in slow-provider@30s..60s")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"slow-provider@{self.from_seconds}s..{self.to_seconds}s"

    def delay_ms(self, seconds: float) -> int:
        """What a call takes so many seconds after the first buyer came."""
        return USUAL_MS * (SLOW_TIMES if self.from_seconds <= seconds < self.to_seconds else 1)


@dataclass
class SlowBank:
    """Turns the bank's delay when it is time; `turn` tells the simulator."""

    plan: SlowProvider
    turn: Callable[[int], None]
    _now_ms: int = field(default=0)

    def look(self, seconds: float) -> None:
        """Call often. PartFailed when the bank does not answer."""
        if (wanted := self.plan.delay_ms(seconds)) != self._now_ms:
            self.turn(wanted)
            self._now_ms = wanted
