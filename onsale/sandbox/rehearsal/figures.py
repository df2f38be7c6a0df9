"""Figures from what the crowd saw: percentiles, latencies by route, errors. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from onsale.sandbox.rehearsal.journal import Exchanges, Journal

BOOK = "POST /v1/events/{id}/bookings"
# What a buyer sends to get tickets; how many of these succeed is a part of what "booking works" means.
BOOKING_ROUTES = (
    "POST /v1/events/{id}/queue/me/enter",
    BOOK,
    "POST /v1/bookings/{id}/payment",
    "GET /v1/bookings/{id}",
)
SERVER_ERROR = 500
UNAVAILABLE = 503
# A generator that sends later than this, or has no CPU left, measures itself.
LATE_MS_MAX = 200.0
CPU_SHARE_MAX = 0.9


@dataclass(frozen=True)
class Percentiles:
    """Of some times, in the unit they came in; None of nothing."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


def percentiles(values: Iterable[float]) -> Percentiles:
    """The nearest ranks: a value that was really measured, never one in between."""
    found = sorted(values)
    if not found:
        return Percentiles(0, None, None, None, None)
    return Percentiles(len(found), _rank(found, 0.5), _rank(found, 0.95), _rank(found, 0.99), round(found[-1], 3))


def _rank(ordered: Sequence[float], share: float) -> float:
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)


def latencies(exchanges: Exchanges) -> dict[str, Percentiles]:
    """Milliseconds by route, from when a request was due; only of requests that were answered."""
    by_route: dict[int, list[float]] = {number: [] for number in exchanges.routes.values()}
    for route, status, ms in zip(exchanges.route, exchanges.status, exchanges.ms, strict=True):
        if status:
            by_route[route].append(ms)
    return {name: percentiles(by_route[number]) for name, number in exchanges.routes.items()}


def statuses(exchanges: Exchanges) -> dict[str, int]:
    """How many answers of each status; 0 is no answer."""
    return {str(status): count for status, count in sorted(Counter(exchanges.status).items())}


def unexcused_errors(exchanges: Exchanges) -> int:
    """5xx that are no polite "try again": anything but a 503 with Retry-After."""
    return sum(
        status >= SERVER_ERROR and not (status == UNAVAILABLE and retry_after)
        for status, retry_after in zip(exchanges.status, exchanges.retry_after, strict=True)
    )


def is_saturated(journal: Journal) -> bool:
    """Whether the generator, not the shop, was what the times measure."""
    late = percentiles(journal.exchanges.late_ms)
    return journal.cpu_share > CPU_SHARE_MAX or (late.p99 or 0.0) > LATE_MS_MAX
