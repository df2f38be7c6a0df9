"""Reading the days a buyer asks for: a day, a month, a moment, or a range of these."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from onsale.errors import BadRequest
from onsale.search import Between

FIELD = "dateTime"
# Only as people write it: `20261209` and `2026-W50-3` are ISO 8601 too, and more often a slip than a day.
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# An unescaped "+" of a zone arrives as a space in a query.
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]{1,6})?([Zz]|[-+ ][0-9]{2}:?[0-9]{2})?"
)
_WANTED = (
    "Write a day as 2026-12-24, a month as 2026-12, a moment as 2026-12-24T20:00:00Z (the + of a zone as %2B), "
    "or a range of these as 2026-12-24..2026-12-31."
)


def between(text: str) -> Between:
    """`2026-12-24` is a day, `2026-12` a month, `2026-12-24T20:00Z` from that moment on; `a..b` is from a to the end
    of b, which of a moment is the minute or second that it names.

    `a..` and `..b` are open on one side. Days are UTC days; a moment without a zone is UTC. BadRequest (field
    `dateTime`) when it is none of these.
    """
    text = text.strip()
    try:
        left, dots, right = (part.strip() for part in text.partition(".."))
        first = _span(left)[0] if left or not dots else None
        last = right if dots else "" if _MOMENT.fullmatch(left) else left
        end = _span(last)[1] if last else None
    except (ValueError, OverflowError):
        raise BadRequest(_WANTED, field=FIELD) from None
    if first and end and end <= first:
        raise BadRequest("The range ends before it begins.", field=FIELD)
    return Between(first, end)


def day(text: str) -> date:
    """`2026-12-24`, and no other way to write it. Raises ValueError."""
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _span(text: str) -> tuple[datetime, datetime | None]:
    """When it begins, and when it is over: None at the end of the calendar."""
    month, moment = _MONTH.fullmatch(text), _MOMENT.fullmatch(text)
    if month:
        year, number = int(month[1]), int(month[2])
        first = datetime(year, number, 1, tzinfo=UTC)
        following = _after(first, timedelta(days=32))
        return first, following and following.replace(day=1)
    if moment:
        return _moment(moment)
    first = datetime.combine(day(text), datetime.min.time(), UTC)
    return first, _after(first, timedelta(days=1))


def _moment(found: re.Match[str]) -> tuple[datetime, datetime | None]:
    on, at, seconds, fraction, zone = found.groups()
    if fraction and not seconds:
        raise ValueError(found[0])
    written = f"{on}T{at}{seconds or ''}{fraction or ''}{(zone or 'Z').upper().replace(' ', '+')}"
    first = datetime.fromisoformat(written).astimezone(UTC)
    named = timedelta(microseconds=1) if fraction else timedelta(seconds=1) if seconds else timedelta(minutes=1)
    return first, _after(first, named)


def _after(first: datetime, span: timedelta) -> datetime | None:
    try:
        return first + span
    except OverflowError:
        return None
