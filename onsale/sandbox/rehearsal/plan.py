"""What a rehearsal will do: how many buyers come when, what they are like, what is killed. Pure, and seeded."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from onsale.sandbox.rehearsal.faults import Faults
from onsale.sandbox.rehearsal.slowness import SlowProvider
from onsale.sandbox.visitor.buyer import Manners
from onsale.sandbox.visitor.habits import Shares

BUYERS_MAX = 1_000_000
KILLS_MAX = 50
# Every buyer has a chance of their own, so that the number of requests one makes changes nobody else.
_STRIDE = 1_000_003


class Arrivals(StrEnum):
    """How people come."""

    ALL_AT_OPEN = "all-at-open"
    RAMP = "ramp"
    POISSON = "poisson"


# What may be killed, by the names people use; the second is the line of the Procfile or the part.
VICTIMS = {
    "web": "web",
    "lane": "lanes",
    "lanes": "lanes",
    "payments": "payments",
    "sweeps": "sweeps",
    "admit": "admit",
    "postgres": "postgres",
    "valkey": "valkey",
    # It comes back with nothing; or as it was some seconds before, like a replica that was behind.
    "valkey-emptied": "valkey-emptied",
    "valkey-older": "valkey-older",
}


@dataclass(frozen=True)
class Kill:
    """`kill -9` of a process when the n-th booking of the rehearsal was answered."""

    process: str
    at_booking: int

    @classmethod
    def parse(cls, text: str) -> Kill:
        """`PROCESS@N`; ValueError says what it wants."""
        found = re.fullmatch(r"([a-z-]+)@([1-9][0-9]{0,6})", text)
        if found is None or found[1] not in VICTIMS:
            raise ValueError(f"{text!r}: wants PROCESS@N, with one of {', '.join(VICTIMS)} and the number of a booking")
        return cls(VICTIMS[found[1]], int(found[2]))

    def __str__(self) -> str:
        return f"{self.process}@{self.at_booking}"


@dataclass(frozen=True)
class Plan:
    """A whole rehearsal. The same plan and seed send the same buyers at the same moments."""

    buyers: int = 500
    arrivals: Arrivals = Arrivals.ALL_AT_OPEN
    # Over how long they come; what `all-at-open` does not need.
    arrive_seconds: float = 60.0
    seed: int = 1
    shares: Shares = field(default_factory=Shares)
    manners: Manners = field(default_factory=Manners)
    shared_cache: bool = False
    kills: tuple[Kill, ...] = ()
    faults: Faults | None = None
    slow: SlowProvider | None = None
    # Nobody is waited for longer than this.
    seconds_max: float = 900.0

    def arrival_seconds(self) -> Iterator[float]:
        """When each buyer comes, in seconds from the opening, in order."""
        chance = random.Random(self.seed)  # noqa: S311 - a crowd's whims, nobody's secret
        if self.arrivals is Arrivals.ALL_AT_OPEN:
            yield from (0.0 for _ in range(self.buyers))
        elif self.arrivals is Arrivals.RAMP:
            # Evenly growing: as many in the last quarter of the time as in the first half of it and more.
            yield from (self.arrive_seconds * (n / self.buyers) ** 0.5 for n in range(self.buyers))
        else:
            at, per_second = 0.0, self.buyers / self.arrive_seconds
            for _ in range(self.buyers):
                at += chance.expovariate(per_second)
                yield at

    def chance_of(self, buyer: int) -> random.Random:
        """The chance of one buyer, counted from 0."""
        return random.Random(self.seed * _STRIDE + buyer)  # noqa: S311 - the same
