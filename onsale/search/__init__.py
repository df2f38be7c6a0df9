"""Finding events: one interface, with PostgreSQL full text behind it.

A hit is what a list needs, so that a page of results costs one query and no look-up per event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 100
# Beyond this a search is not a search any more.
TERM_CHARACTERS_MAX = 200
HITS_MAX = 10_000
RADIUS_KM_DEFAULT = 50.0
# Half of the way around the Earth: everywhere.
RADIUS_KM_MAX = 20_040.0


@dataclass(frozen=True, slots=True)
class Between:
    """Shows that begin at or after `first` and before `end`; None is open. `between("2026-12-24")` reads what a buyer
    writes.
    """

    first: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """Within so many kilometres of a place, as the crow flies; degrees, north and east positive."""

    latitude: float
    longitude: float
    radius_km: float


class Sort(StrEnum):
    """What comes first: what fits best, what begins first, or what is nearest (with `near` only)."""

    RELEVANCE = "relevance"
    DATE = "date"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to look for; everything given must fit. `location` is a venue, city, country or region; `text` is any of it.

    `cursor` is the `next_cursor` of the page before.
    """

    artist: str = ""
    location: str = ""
    text: str = ""
    when: Between | None = None
    near: Near | None = None
    sort: Sort = Sort.RELEVANCE
    page_size: int = PAGE_SIZE_DEFAULT
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An event found, with what a list shows of it."""

    event_id: int
    name: str
    slug: str
    starts_at: datetime
    on_sale_at: datetime
    venue: str
    city: str
    country: str
    artists: tuple[str, ...]
    currency: str
    price_min_minor: int | None
    price_max_minor: int | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of hits, best first; `total` counts all of them (exact up to HITS_MAX), `next_cursor` is None on the
    last page.
    """

    hits: tuple[Hit, ...]
    total: int
    next_cursor: str | None


class Search(Protocol):
    """Finds published events that have not begun, unless `when` asks for the past. Thread safe."""

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for; BadRequest names the field that makes no sense."""
        ...
