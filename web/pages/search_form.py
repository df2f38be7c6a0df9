"""The search as it stands in the address: read from it, written back to it, and asked of the search.

What makes no sense is kept as it was typed and said beside its field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from werkzeug.datastructures import MultiDict

from onsale.search import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    PRICE_BANDS,
    RADIUS_KM_DEFAULT,
    TERM_CHARACTERS_MAX,
    VALUES_MAX,
    Between,
    Filters,
    Near,
    SearchQuery,
    Sort,
)
from onsale.search.when import day
from onsale.search.words import is_month

LIST, MAP = "list", "map"
# As facets and addresses name a price: `2500-5000`, `10000-`.
PRICES = {f"{low}-{'' if high is None else high}": (low, high) for low, high in PRICE_BANDS}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The names of what the field errors of a search belong to on the page.
FIELDS = {"text": "q", "latitude": "near", "longitude": "near", "radius_km": "near", "cursor": "q"}


@dataclass(frozen=True)
class SearchForm:
    """The form as it was filled in; every field is a parameter of the address, and left out of it when empty."""

    q: str = ""
    location: str = ""
    first_day: str = ""
    last_day: str = ""
    cities: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    price: str = ""
    available: bool = False
    # "48.21,16.37": where the browser said it is, to a kilometre.
    near: str = ""
    sort: str = ""
    view: str = LIST
    after: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, str | list[str]]:
        """The address that leads here."""
        found: dict[str, str | list[str]] = {
            "q": self.q,
            "location": self.location,
            "from": self.first_day,
            "to": self.last_day,
            "city": list(self.cities),
            "genre": list(self.genres),
            "month": list(self.months),
            "price": self.price,
            "available": "1" if self.available else "",
            "near": self.near,
            "sort": self.sort,
            "view": "" if self.view == LIST else self.view,
            "after": self.after,
        }
        return {name: value for name, value in found.items() if value}

    def filtered(self) -> Iterator[tuple[str, SearchForm]]:
        """Each filter that is set, as people say it, and the form without it."""
        first = replace(self, after="")
        if self.location:
            yield self.location, replace(first, location="")
        if self.near:
            yield "Near you", replace(first, near="", sort="" if self.sort == Sort.DISTANCE else self.sort)
        if self.first_day or self.last_day:
            yield (
                f"{self.first_day or 'today'} to {self.last_day or 'any day'}",
                replace(first, first_day="", last_day=""),
            )
        yield from ((city, replace(first, cities=_without(city, self.cities))) for city in self.cities)
        yield from ((genre, replace(first, genres=_without(genre, self.genres))) for genre in self.genres)
        yield from ((month_words(month), replace(first, months=_without(month, self.months))) for month in self.months)
        if self.price:
            yield price_words(self.price), replace(first, price="")
        if self.available:
            yield "Tickets left", replace(first, available=False)

    def query(self) -> SearchQuery:
        """What to ask for; only where nothing is `wrong`."""
        low, high = PRICES.get(self.price, (None, None))
        return SearchQuery(
            text=self.q,
            location=self.location,
            when=_between(self.first_day, self.last_day),
            near=_near(self.near),
            filters=Filters(self.cities, self.genres, self.months, low or None, high),
            available=self.available,
            sort=Sort(self.sort) if self.sort else Sort.RELEVANCE,
            page_size=PAGE_SIZE_MAX if self.view == MAP else PAGE_SIZE_DEFAULT,
            cursor=self.after or None,
            facets=True,
        )


def read(given: MultiDict[str, str]) -> SearchForm:
    """The form in an address; what nobody can have meant is left out or said in `wrong`."""
    form = SearchForm(
        q=_term(given.get("q", "")),
        location=_term(given.get("location", "")),
        first_day=given.get("from", "").strip()[:20].strip(),
        last_day=given.get("to", "").strip()[:20].strip(),
        cities=_terms(given.getlist("city")),
        genres=_terms(given.getlist("genre")),
        months=tuple(each for each in _terms(given.getlist("month")) if is_month(each)),
        price=given.get("price", "") if given.get("price", "") in PRICES else "",
        available=given.get("available") == "1",
        near=given.get("near", "").strip()[:40].strip(),
        sort=given.get("sort", "") if given.get("sort", "") in (Sort.DATE, Sort.DISTANCE) else "",
        view=MAP if given.get("view") == MAP else LIST,
        after=given.get("after", ""),
    )
    wrong: dict[str, str] = {}
    first, last = _day("from", form.first_day, wrong), _day("to", form.last_day, wrong)
    if first and last and last < first:
        wrong["to"] = "This is before the first day."
    if form.near and _near(form.near) is None:
        wrong["near"] = "A place is two numbers, such as 48.21,16.37."
    if form.sort == Sort.DISTANCE and not form.near:
        form = replace(form, sort="")
    return replace(form, wrong=wrong)


def month_words(month: str) -> str:
    """`2026-12` as `December 2026`; what is no month stays."""
    try:
        return f"{datetime.strptime(month, '%Y-%m').replace(tzinfo=UTC):%B %Y}"
    except ValueError:
        return month


def price_words(price: str) -> str:
    """A band as people say it, without a currency: each show's own. `Under 25`, `25 to 50`, `100 and more`."""
    low, high = PRICES[price]
    if high is None:
        return f"{low // 100} and more"
    return f"{low // 100} to {high // 100}" if low else f"Up to {high // 100}"


def _without(value: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in values if each != value)


def _term(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()[:TERM_CHARACTERS_MAX].strip()


def _terms(texts: list[str]) -> tuple[str, ...]:
    """Values of a filter, letter by letter as the facets write them."""
    plain = (_CONTROL.sub("", text)[:TERM_CHARACTERS_MAX] for text in texts[:VALUES_MAX])
    return tuple(dict.fromkeys(term for term in plain if term.strip()))


def _day(name: str, text: str, wrong: dict[str, str]) -> date | None:
    if not text:
        return None
    try:
        return day(text)
    except ValueError:
        wrong[name] = "Write the day as 2026-12-24."
        return None


def _between(first_day: str, last_day: str) -> Between | None:
    first = datetime.combine(date.fromisoformat(first_day), time(), UTC) if first_day else None
    last = datetime.combine(date.fromisoformat(last_day), time(), UTC) if last_day else None
    if first is None and last is None:
        return None
    return Between(first, last + timedelta(days=1) if last and last.year < date.max.year else None)


def _near(text: str) -> Near | None:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        return None
    return Near(latitude, longitude, RADIUS_KM_DEFAULT) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
