"""What a simulated buyer asks for and is told: requests and waits come out of a visit, answers go in.

Whoever drives a visit sends each request, waits each wait and passes the answers in; nothing here knows how.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `route` is its name in reports: the path with its ids taken out."""

    method: str
    path: str
    route: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object | None = None
    # Sent as a browser's form instead, to wherever `path` leads: a bank's page, which answers with a redirect.
    form: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing, for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 is no answer at all: refused, cut off, or too late."""

    status: int
    document: Any = None
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def later(self) -> bool:
        """Whether the shop said "not now", or nothing: to be asked again."""
        return self.status in (0, 425, 429, 502, 503, 504)

    @property
    def problem(self) -> str:
        """The last word of a problem's type, such as `turn-lapsed`; empty for anything else."""
        said = self.document.get("type", "") if isinstance(self.document, dict) else ""
        return str(said).rpartition("/")[2]


# Requests in one step are sent at the same time. What a visit returns is up to it.
Step = tuple[Ask, ...] | Wait
Steps = Generator[Step, tuple[Answer, ...], T]


def poll_seconds(status: Mapping[str, Any], ahead: int) -> float:
    """How often somebody this far away asks: the first band that reaches so far."""
    return next(float(band["seconds"]) for band in status["poll"] if band["ahead"] is None or ahead <= band["ahead"])
