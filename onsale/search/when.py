"""Reading the days a buyer asks for: a day, a month, a moment, or a range of these."""

from __future__ import annotations

from onsale.search import Between


def between(text: str) -> Between:
    """`2026-12-24` a day, `2026-12` a month, `2026-12-24T20:00Z` from that moment on, `a..b` from a to the end of b, `..b`, `a..`.

    Days are UTC days. BadRequest (field `dateTime`) when it is none of these.
    """
    raise NotImplementedError
