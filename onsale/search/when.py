"""Reading the days a buyer asks for: a day, a month, a moment, or a range of these."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from onsale.errors import BadRequest
from onsale.search import Between

FIELD = "dateTime"
_MONTH = re.compile(r"\d{4}-\d{2}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def between(text: str) -> Between:
    """`2026-12-24` is a day, `2026-12` a month, `2026-12-24T20:00Z` from that moment on; `a..b` is from a to the end
    of b.

    `a..` and `..b` are open on one side. Days are UTC days; a moment without a zone is UTC. BadRequest (field
    `dateTime`) when it is none of these.
    """
    text = text.strip()
    try:
        if ".." not in text:
            return _one(text)
        left, _, right = text.partition("..")
        first = _one(left.strip()).first if left.strip() else None
        end = _end(right.strip()) if right.strip() else None
    except (ValueError, OverflowError):
        raise BadRequest("Write a day as 2026-12-24, or a range as 2026-12-24..2026-12-31.", field=FIELD) from None
    if first and end and end <= first:
        raise BadRequest("The range ends before it begins.", field=FIELD)
    return Between(first, end)


def _one(text: str) -> Between:
    if _MONTH.fullmatch(text):
        first = datetime.fromisoformat(f"{text}-01").replace(tzinfo=UTC)
        return Between(first, (first + timedelta(days=32)).replace(day=1))
    if _DAY.fullmatch(text):
        first = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return Between(first, first + timedelta(days=1))
    return Between(_moment(text))


def _end(text: str) -> datetime:
    asked = _one(text)
    moment = asked.end or asked.first
    assert moment is not None
    return moment


def _moment(text: str) -> datetime:
    # "+" in a query string arrives as a space.
    moment = datetime.fromisoformat(text.replace(" 0", "+0") if "T" in text else text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
