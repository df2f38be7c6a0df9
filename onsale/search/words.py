"""What a search does with words, whatever it looks in: compares them, and refuses what makes no sense."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import SequenceMatcher

from onsale.errors import BadRequest
from onsale.search import (
    PAGE_SIZE_MAX,
    PRICE_MINOR_MAX,
    RADIUS_KM_MAX,
    TERM_CHARACTERS_MAX,
    VALUES_MAX,
    Filters,
    Near,
    SearchQuery,
    Sort,
)
from onsale.search.folding import findable

WORDS_MAX = 10
# What neither a record nor an index can hold, so that nothing is called so.
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def has_beginnings(words: str) -> Callable[[str], bool]:
    """Says of a text whether each of these plain words begins a word of it."""
    # Plain words have one space between, so what begins a word stands behind one.
    begun = [f" {word}" for word in words.split()]

    def has(text: str) -> bool:
        there = f" {findable(text)}"
        return all(each in there for each in begun)

    return has


def alike(one: str, other: str, *, least: float) -> float:
    """How much alike two words are, from 0 to 1; 0 where it is less than `least`."""
    both = SequenceMatcher(None, one, other)
    # Two bounds from above, which cost little: of most words it is plain that they are others.
    if both.real_quick_ratio() < least or both.quick_ratio() < least:
        return 0.0
    found = both.ratio()
    return found if found >= least else 0.0


def is_month(text: str) -> bool:
    """Whether this is a month as filters and facets write it: 2026-12."""
    return _MONTH.fullmatch(text) is not None


def check(query: SearchQuery) -> None:
    """BadRequest, with its field, for what cannot be meant."""
    for name in ("artist", "location", "text"):
        check_term(getattr(query, name), field=name)
    if not 1 <= query.page_size <= PAGE_SIZE_MAX:
        raise BadRequest(f"A page has 1 to {PAGE_SIZE_MAX} events.", field="page_size")
    _check_filters(query.filters)
    if query.near:
        _check_near(query.near)
    elif query.sort is Sort.DISTANCE:
        raise BadRequest("Say from where: latitude and longitude.", field="sort")


def check_term(term: str, *, field: str) -> None:
    """BadRequest for words that are too long to be meant."""
    if len(term) > TERM_CHARACTERS_MAX:
        raise BadRequest(f"At most {TERM_CHARACTERS_MAX} characters.", field=field)


def _check_filters(filters: Filters) -> None:
    for field, values in (("city", filters.cities), ("genre", filters.genres), ("month", filters.months)):
        if len(values) > VALUES_MAX:
            raise BadRequest(f"At most {VALUES_MAX} at once.", field=field)
        for value in values:
            check_term(value, field=field)
            if _NOT_TEXT.search(value):
                raise BadRequest("This is not text.", field=field)
    for month in filters.months:
        if not is_month(month):
            raise BadRequest("Write a month as 2026-12.", field="month")
    low, high = filters.price_min_minor, filters.price_max_minor
    for field, price in (("price_min_minor", low), ("price_max_minor", high)):
        if price is not None and not 0 <= price <= PRICE_MINOR_MAX:
            raise BadRequest(f"A price in minor units, from 0 to {PRICE_MINOR_MAX}.", field=field)
    if low is not None and high is not None and high < low:
        raise BadRequest("This is less than the lowest price.", field="price_max_minor")


def _check_near(near: Near) -> None:
    # Each comparison is false for what is not a number.
    for name, value, limit in (("latitude", near.latitude, 90), ("longitude", near.longitude, 180)):
        if not abs(value) <= limit:
            raise BadRequest(f"Degrees from -{limit} to {limit}.", field=name)
    if not 0 < near.radius_km <= RADIUS_KM_MAX:
        raise BadRequest(f"More than 0 and at most {RADIUS_KM_MAX:.0f} km.", field="radius_km")
