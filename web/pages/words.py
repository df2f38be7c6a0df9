"""How the pages say things: money, moments, durations, and what a state means to the one it happens to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from flask import Flask

from onsale.db.prices import decimals

SYMBOLS = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}
# Above this a count of tickets left tells the buyer nothing more.
MANY_LEFT = 500


def money(minor: int, currency: str) -> str:
    """An amount as people write it: `€80.00`, `CHF 120.00`, `¥9,000`."""
    digits = decimals(currency)
    symbol = SYMBOLS.get(currency.lower(), currency.upper() + "\N{NO-BREAK SPACE}")
    whole_units, rest = divmod(abs(minor), 10**digits)
    text = f"{whole_units:,}" + (f".{rest:0{digits}d}" if digits else "")
    return f"{'-' if minor < 0 else ''}{symbol}{text}"


def minor_from(text: str, currency: str) -> int | None:
    """The amount a buyer typed, in minor units; None when it is empty. Raises ValueError when it is no amount."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    digits = decimals(currency)
    units, _, rest = text.partition(".")
    if (
        not (units.isascii() and units.isdigit() and len(units) <= 7)
        or len(rest) > digits
        or (rest and not rest.isdigit())
    ):
        raise ValueError("a price looks like 80 or 80.50")
    return int(units) * int(10**digits) + int(rest.ljust(digits, "0") or 0)


def whole(count: int | None) -> str:
    """A count with its thousands apart."""
    return "unknown" if count is None else f"{count:,}"


def left_words(count: int | None) -> str:
    """How many tickets are left."""
    if count is None:
        return "not known"
    if count == 0:
        return "none left"
    return f"over {MANY_LEFT} left" if count > MANY_LEFT else f"{count} left"


def day_and_time(moment: datetime) -> str:
    """`Sat 14 Mar 2026, 19:30`, in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment:%a} {moment.day} {moment:%b %Y, %H:%M}"


def clock_time(moment: datetime) -> str:
    """`19:30:05 UTC`: for what happened today."""
    return f"{moment.astimezone(UTC):%H:%M:%S} UTC"


def iso(moment: datetime) -> str:
    """For a `datetime` attribute, which scripts read."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """`2 minutes`, `45 seconds`, `3 hours`: rounded to what a person keeps in mind."""
    if seconds < 90:
        return f"{round(seconds)} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"


def band(low_seconds: float | None, high_seconds: float | None) -> str:
    """A wait as a band: `4 to 6 minutes`, `under a minute`; an unknown end says so."""
    if high_seconds is None:
        return "not known yet" if low_seconds is None else f"more than {duration(low_seconds)}"
    if high_seconds < 60:
        return "under a minute"
    unit, name = (60, "minutes") if high_seconds < 5400 else (3600, "hours")
    low, high = int((low_seconds or 0) // unit), -int(-high_seconds // unit)
    if high <= 1:
        return f"about a {name[:-1]}" if unit == 60 else "about an hour"
    return f"{low} to {high} {name}" if low else f"up to {high} {name}"


@dataclass(frozen=True)
class PhaseWords:
    """The state of a sale as a small label."""

    text: str
    kind: str = ""
    live: bool = False


PHASES = {
    "scheduled": PhaseWords("Not open yet", "warn"),
    "pre_queue": PhaseWords("Waiting room open", "warn", live=True),
    "open": PhaseWords("Selling now", "good", live=True),
    "paused": PhaseWords("Paused", "warn"),
    "all_held": PhaseWords("All in hands", "warn"),
    "sold_out": PhaseWords("Sold out"),
    "closed": PhaseWords("Sale ended"),
}


def phase_words(phase: str) -> PhaseWords:
    """The label of a phase."""
    return PHASES.get(str(phase), PhaseWords(str(phase)))


class Seated(Protocol):
    """Anything that says which ticket it is."""

    section_name: str
    row_name: str | None
    seat_name: str | None
    tier: str | None


def seat_words(ticket: Seated) -> str:
    """`Parterre, row C, seat 12`; `Floor, standing, Child`."""
    place = f"row {ticket.row_name}, seat {ticket.seat_name}" if ticket.row_name and ticket.seat_name else "standing"
    return ", ".join(part for part in (ticket.section_name, place, ticket.tier) if part)


def moment(text: str) -> datetime:
    """A moment kept as text in a session."""
    return datetime.fromisoformat(text)


def register(app: Flask) -> None:
    """Makes the words available to every template."""
    for word in (
        money,
        whole,
        left_words,
        day_and_time,
        clock_time,
        iso,
        moment,
        duration,
        phase_words,
        seat_words,
    ):
        app.jinja_env.filters[word.__name__] = word
