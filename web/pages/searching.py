"""The search page: every filter is in the address, so a search can be kept, shared and reloaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, render_template, request, url_for

from onsale.errors import BadRequest
from onsale.search import TERM_CHARACTERS_MAX, Between, SearchQuery
from onsale.web.pages import shows

search = Blueprint("search", __name__)


@dataclass(frozen=True)
class Asked:
    """The form as it was filled in."""

    q: str
    location: str
    from_day: str
    to_day: str
    after: str


@search.get("/search")
def show() -> str:
    """What matches; an empty search lists every coming show."""
    asked = Asked(_term("q"), _term("location"), _term("from"), _term("to"), request.args.get("after", ""))
    wrong: dict[str, str] = {}
    first, last = _day("from", asked.from_day, wrong), _day("to", asked.to_day, wrong)
    if first and last and last < first:
        wrong["to"] = "This is before the first day."
    found = shows.Found((), 0, None)
    if not wrong:
        when = (
            Between(_midnight(first), _midnight(last + timedelta(days=1) if last else None)) if first or last else None
        )
        try:
            found = shows.search(
                SearchQuery(location=asked.location, text=asked.q, when=when, cursor=asked.after or None)
            )
        except BadRequest as error:
            wrong[error.field or "q"] = str(error)
    filters = {"q": asked.q, "location": asked.location, "from": asked.from_day, "to": asked.to_day}
    kept = {name: value for name, value in filters.items() if value}
    return render_template(
        "search.html",
        asked=asked,
        wrong=wrong,
        shows=found.hits,
        phases=shows.front().phases,
        found_words=_found_words(found, wrong),
        first_url=url_for("search.show", **kept),  # type: ignore[arg-type]  # Flask types values as Any.
        next_url=url_for("search.show", **kept, after=found.next_cursor) if found.next_cursor else "",  # type: ignore[arg-type]
    )


def _term(name: str) -> str:
    return "".join(letter for letter in request.args.get(name, "") if letter.isprintable()).strip()[
        :TERM_CHARACTERS_MAX
    ]


def _day(name: str, text: str, wrong: dict[str, str]) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        wrong[name] = "Write the day as 2026-12-24."
        return None


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


def _found_words(found: shows.Found, wrong: dict[str, str]) -> str:
    if wrong:
        return "Nothing searched yet"
    return {0: "No shows", 1: "1 show"}.get(found.total, f"{found.total:,} shows")
