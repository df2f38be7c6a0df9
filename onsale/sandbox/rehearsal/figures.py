"""Figures from what the crowd saw: percentiles, latencies by route, errors. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from onsale.sandbox.rehearsal.journal import SERVER_ERROR, Exchanges, Failure, Journal

BOOK = "POST /v1/events/{id}/bookings"
# What a buyer sends to get tickets; how many of these succeed is a part of what "booking works" means.
BOOKING_ROUTES = (
    "POST /v1/events/{id}/queue/me/enter",
    BOOK,
    "POST /v1/bookings/{id}/payment",
    "GET /v1/bookings/{id}",
)
FAILURES_SHOWN_MAX = 20
OTHERS = "others"
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


def errors_5xx(exchanges: Exchanges, *, unexcused: bool = False) -> int:
    """Answers of 500 and more; `unexcused`: without the polite "try again", a 503 with Retry-After."""
    return sum(
        count
        for one, count in exchanges.failures.items()
        if one.status >= SERVER_ERROR and not (unexcused and one.is_excused)
    )


def failures(exchanges: Exchanges) -> dict[str, int]:
    """Which requests got a 5xx or no answer, and how often; the worst first, then the most frequent."""
    found = sorted(exchanges.failures.items(), key=lambda each: (_badness(each[0]), -each[1], str(each[0])))
    shown = {str(one): count for one, count in found[:FAILURES_SHOWN_MAX]}
    rest = sum(count for _, count in found[FAILURES_SHOWN_MAX:])
    return shown | ({OTHERS: rest} if rest else {})


def _badness(one: Failure) -> int:
    return 2 if one.status == 0 else int(one.is_excused)


def is_saturated(journal: Journal) -> bool:
    """Whether the generator, not the shop, was what the times measure."""
    late = percentiles(journal.exchanges.late_ms)
    return journal.cpu_share > CPU_SHARE_MAX or (late.p99 or 0.0) > LATE_MS_MAX
