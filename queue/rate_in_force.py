"""Which rate is in force: the one that was set, held down by a ramp and by a strained checkout. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onsale.queue import auto_rate, ramps
from onsale.queue.auto_rate import STOPS, AutoRate, Because
from onsale.queue.ramps import Ramp


@dataclass(frozen=True, slots=True)
class InForce:
    """`per_minute` None: as it was set."""

    per_minute: int | None
    because: Because


def in_force(rate_set: int, *, auto: AutoRate | None, ramp: Ramp | None, begins: datetime, now: datetime) -> InForce:
    """What holds at this moment; never more than was set."""
    ceiling = ramps.rate_at(ramp, ceiling=rate_set, begins=begins, now=now)
    rate = auto_rate.per_minute(auto, ceiling) if auto else ceiling
    because = auto.because if auto and auto.because else Because.RAMP
    if rate >= rate_set and because not in STOPS:
        return InForce(None, Because.NOTHING)
    return InForce(rate, because)
