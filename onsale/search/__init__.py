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
# Of one filter: a form with more boxes ticked is a form with none.
VALUES_MAX = 20
PRICE_MINOR_MAX = 10**12
# Values a facet names, those with most shows first.
FACET_VALUES_MAX = 30
# What people pay for a show, in minor units whatever the currency: from, up to and including.
PRICE_BANDS: tuple[tuple[int, int | None], ...] = ((0, 2_500), (2_500, 5_000), (5_000, 10_000), (10_000, None))
SUGGESTIONS_MAX = 8


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


@dataclass(frozen=True, slots=True)
class Filters:
    """What the facets offer, several values of one being alternatives; empty: all. Months are as in `2026-12` (UTC).

    A show fits a price that it has a ticket for, between both ends, in minor units of its own currency.
    """

    cities: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    price_min_minor: int | None = None
    price_max_minor: int | None = None

    @property
    def prices(self) -> tuple[int | None, int | None] | None:
        """Both ends; None when any price will do."""
        both = (self.price_min_minor, self.price_max_minor)
        return None if both == (None, None) else both


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
    filters: Filters = Filters()
    # Only shows that are not sold out.
    available: bool = False
    sort: Sort = Sort.RELEVANCE
    page_size: int = PAGE_SIZE_DEFAULT
    cursor: str | None = None
    # Count what each further filter would leave; it costs more than the page.
    facets: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """An event found, with what a list and a map show of it; degrees, north and east positive."""

    event_id: int
    name: str
    slug: str
    starts_at: datetime
    on_sale_at: datetime
    venue: str
    city: str
    country: str
    latitude: float
    longitude: float
    artists: tuple[str, ...]
    genre: str
    currency: str
    price_min_minor: int | None
    price_max_minor: int | None
    sold_out: bool


@dataclass(frozen=True, slots=True, order=True)
class Counted:
    """How many shows would be left with this value. In the order of the values: months as in a calendar."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class PriceBand:
    """How many shows have a ticket at a price from here to there, both included; None: and more."""

    min_minor: int
    max_minor: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What is worth asking for next: of each filter the values that fit everything else that is asked for.

    Cities and genres by how many shows they have, months in their order; at most FACET_VALUES_MAX of each.
    """

    cities: tuple[Counted, ...]
    genres: tuple[Counted, ...]
    months: tuple[Counted, ...]
    prices: tuple[PriceBand, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of hits, best first; `total` counts all of them, `next_cursor` is None on the last page.

    Where counting on would cost too much, `total` is HITS_MAX and not exact. `facets` is None unless asked for.
    """

    hits: tuple[Hit, ...]
    total: int
    next_cursor: str | None
    total_is_exact: bool = True
    facets: Facets | None = None


class Suggested(StrEnum):
    """What a suggestion names."""

    ARTIST = "artist"
    EVENT = "event"
    VENUE = "venue"
    CITY = "city"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What somebody may be typing; `event_id` of a show, None of everything else."""

    kind: Suggested
    text: str
    event_id: int | None = None


class Search(Protocol):
    """Finds published events that have not begun, unless `when` asks for the past. Thread safe."""

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for; BadRequest names the field that makes no sense."""
        ...

    def suggest(self, text: str) -> tuple[Suggestion, ...]:
        """What `text` may be the beginning of, at most SUGGESTIONS_MAX; BadRequest when it is too long."""
        ...
