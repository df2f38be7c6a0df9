"""What the crowd saw: every request with its times, every visit with its end. Columns, because there are a million."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from onsale.sandbox.visitor.carrying import Exchange
from onsale.sandbox.visitor.visit import Visit

SERVER_ERROR = 500
UNAVAILABLE = 503
FAILURES_MAX = 500
PROBLEM_CHARACTERS_MAX = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer of 500 or more, or none (status 0): to which route, and the problem it named."""

    route: str
    status: int
    problem: str
    retry_after: bool

    @property
    def is_excused(self) -> bool:
        """Whether a kill excuses it: the polite "try again", and no answer at all."""
        return self.status == 0 or (self.status == UNAVAILABLE and self.retry_after)

    def __str__(self) -> str:
        said = f"{self.route}: {self.status or 'no answer'} {self.problem}".rstrip()
        return said if self.is_excused or self.status != UNAVAILABLE else f"{said} without Retry-After"


@dataclass
class Exchanges:
    """Requests in the order of their answers; seconds count from `began_at`, times are in milliseconds."""

    began_at: float
    routes: dict[str, int] = field(default_factory=dict)
    route: array[int] = field(default_factory=lambda: array("H"))
    status: array[int] = field(default_factory=lambda: array("H"))
    # When it was answered, how long that took counted from when it was due, and how late it was sent.
    at: array[float] = field(default_factory=lambda: array("d"))
    ms: array[float] = field(default_factory=lambda: array("f"))
    late_ms: array[float] = field(default_factory=lambda: array("f"))
    retry_after: array[int] = field(default_factory=lambda: array("B"))
    # What went wrong, by route, status and problem, and how often.
    failures: Counter[Failure] = field(default_factory=Counter)

    def add(self, one: Exchange) -> None:
        """Write down one request."""
        name = f"{one.method} {one.route}"
        self.route.append(self.routes.setdefault(name, len(self.routes)))
        self.status.append(one.status)
        self.at.append(one.done_at - self.began_at)
        self.ms.append((one.done_at - one.due_at) * 1000)
        self.late_ms.append((one.sent_at - one.due_at) * 1000)
        self.retry_after.append(one.retry_after)
        if one.status == 0 or one.status >= SERVER_ERROR:
            # A server's own word: one that says another each time is not kept for ever.
            problem = one.problem[:PROBLEM_CHARACTERS_MAX] if len(self.failures) < FAILURES_MAX else ""
            self.failures[Failure(name, one.status, problem, one.retry_after)] += 1

    def __len__(self) -> int:
        return len(self.at)

    def of(self, *names: str) -> Iterator[int]:
        """The positions of the requests of these routes (`POST /v1/...`)."""
        wanted = {self.routes[name] for name in names if name in self.routes}
        return (at for at, route in enumerate(self.route) if route in wanted)


@dataclass
class Journal:
    """All of it; visits' moments are on the same clock as `began_at`. `cpu_share`: the generator's, of one core."""

    exchanges: Exchanges
    visits: list[Visit]
    seconds: float
    cpu_share: float


@dataclass(frozen=True)
class Progress:
    """How the crowd stands."""

    seconds: float
    coming: int
    waiting: int
    inside: int
    done: int
    requests: int
    accepted: int
    confirmed: int
    no_answer: int
    server_errors: int
