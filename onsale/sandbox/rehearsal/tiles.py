"""The figures on top of a rehearsal's page: what must be nothing, and how fast the rest was. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from onsale.sandbox.rehearsal.results import Results

NOT_KNOWN = "not known"
# From here on a tenth says nothing any more.
WHOLE_FROM = 100


class Mood(StrEnum):
    """What a figure means."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Tile:
    """One figure with its name, its unit, and what is to be known about it."""

    name: str
    value: str
    unit: str = ""
    about: str = ""
    mood: Mood = Mood.PLAIN


def promises_kept(found: Results) -> list[Tile]:
    """The counts that are 0 when all is well; `5xx` is, unless something was killed on purpose."""
    excused = found.http_5xx - found.http_5xx_unexcused
    return [
        _nothing("Sold twice", found.double_sold, "tickets"),
        _nothing("Out of order", found.inversions, "bookings"),
        _nothing("Lost", found.lost_bookings, "accepted bookings"),
        _nothing("Promises broken", found.broken_promises_count, "seen by buyers"),
        _excused("Answers 5xx", found.http_5xx, found, excused=excused, unit="answers"),
        _excused("No answer", found.http_no_answer, found, excused=found.http_no_answer, unit="requests"),
    ]


def pace(found: Results) -> list[Tile]:
    """How much was sold to whom, how fast, and what that cost."""
    return [
        _sold(found),
        Tile("Joined the queue", whole(found.joined), f"of {found.buyers:,} buyers"),
        Tile("Bookings", number(found.bookings_per_second), "confirmed a second"),
        Tile("Turn to ticket", *_median(found.admitted_to_ticket_seconds)),
        Tile("Accepted to held", *_median(found.accepted_to_held_seconds)),
        _rate(found),
        Tile("CPU", number(found.cpu_seconds_per_booking), "CPU seconds a booking"),
        Tile("Requests", whole(found.http_requests), f"in {number(found.seconds)} s"),
    ]


def number(value: float | None) -> str:
    """A measured value with as many digits as tell something."""
    if value is None:
        return NOT_KNOWN
    if abs(value) >= WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.3g}"


def whole(value: int | None) -> str:
    """A count."""
    return NOT_KNOWN if value is None else f"{value:,}"


def percent(share: float, digits: int = 2) -> str:
    """A share of the whole."""
    return f"{100 * share:.{digits}f} %"


def _nothing(name: str, count: int | None, unit: str) -> Tile:
    mood = Mood.UNKNOWN if count is None else Mood.BAD if count else Mood.GOOD
    return Tile(name, whole(count), unit, mood=mood)


def _excused(name: str, count: int, found: Results, *, excused: int, unit: str) -> Tile:
    """Of what a kill may bring about, only what is not excused by one is bad."""
    if not count or not found.kills:
        return _nothing(name, count, unit)
    mood = Mood.BAD if count > excused else Mood.PLAIN
    return Tile(name, whole(count), unit, "after processes were killed", mood)


def _sold(found: Results) -> Tile:
    of = f"of {found.seats:,} tickets" if found.seats is not None else "tickets"
    return Tile("Sold", whole(found.sold), of)


def _rate(found: Results) -> Tile:
    off = NOT_KNOWN if found.rate_error is None else percent(found.rate_error)
    rate = "" if found.rate_set_per_minute is None else f"{found.rate_set_per_minute:,} a minute were set"
    return Tile("Off the rate", off, about=rate)


def _median(seconds: Mapping[str, float | None]) -> tuple[str, str, str]:
    if seconds["p50"] is None:
        return NOT_KNOWN, "", ""
    return (
        number(seconds["p50"]),
        "s (median)",
        f"95 %: {number(seconds['p95'])} s, 99 %: {number(seconds['p99'])} s",
    )
