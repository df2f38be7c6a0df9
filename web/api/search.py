"""Search and suggestions: what anybody may ask, without a JWT, cacheable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, StringConstraints

from onsale.errors import BadRequest
from onsale.search import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    PRICE_MINOR_MAX,
    RADIUS_KM_DEFAULT,
    RADIUS_KM_MAX,
    VALUES_MAX,
    Counted,
    Facets,
    Filters,
    Hit,
    Near,
    SearchQuery,
    Sort,
)
from onsale.search.folding import plain
from onsale.search.highlighting import Part, highlights, parts
from onsale.search.when import between
from onsale.web.api.contract import Asked, Routes, Shared, shared
from onsale.web.api.documents import (
    PLAIN,
    PRINTABLE,
    FacetsDocument,
    FacetValueDocument,
    HitDocument,
    PartDocument,
    PriceBandDocument,
    SearchDocument,
    SuggestionDocument,
    SuggestionsDocument,
    Term,
)
from onsale.web.box_office import box_office

search = Routes("search", "Events and tickets")

Terms = Annotated[list[Term], Field(max_length=VALUES_MAX)]
PriceMinor = Annotated[int, Field(ge=0, le=PRICE_MINOR_MAX), PLAIN]


class PageAsked(Asked):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX), PLAIN] = PAGE_SIZE_DEFAULT
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)] | None = Field(
        None, description="The next_cursor of the page before."
    )


class SearchAsked(PageAsked):
    """What to look for; everything given must fit."""

    artist: Term = Field("", description="An artist, or a part of the name.")
    location: Term = Field("", description="A venue, city, country or region.")
    dateTime: Annotated[str, StringConstraints(max_length=60, pattern=PRINTABLE)] = Field(
        "",
        description="A day (2026-12-24), a month (2026-12), from a moment on (2026-12-24T20:00:00Z; write the + of a "
        "zone as %2B), or a range of these with its end in it (2026-12-24..2026-12-31; a.. and ..b are open on one "
        "side). In UTC where no zone is given. Other ways to write a day, such as 20261224, are refused.",
    )
    q: Term = Field("", description="Any of it.")
    latitude: float | None = Field(None, ge=-90, le=90, description="With longitude: near this place.")
    longitude: float | None = Field(None, ge=-180, le=180)
    radius_km: float = Field(RADIUS_KM_DEFAULT, gt=0, le=RADIUS_KM_MAX, description="How near.")
    city: Terms = Field([], description="One of these cities, as the facets write them; give it once for each.")
    genre: Terms = Field([], description="One of these genres.")
    month: Terms = Field([], description="One of these months (2026-12), in UTC.")
    price_min_minor: PriceMinor | None = Field(None, description="Has a ticket for this or more, in its currency.")
    price_max_minor: PriceMinor | None = Field(None, description="Has a ticket for this or less.")
    available: bool = Field(False, description="Only what is not sold out.")
    sort: Sort = Field(Sort.RELEVANCE, description="What comes first; distance wants a latitude and a longitude.")
    facets: bool = Field(False, description="Count what each further filter would leave.")
    highlight: bool = Field(False, description="Say which letters are what was asked for.")


class SuggestionsAsked(Asked):
    """What is being typed."""

    q: Term = Field("", description="The words so far.")


@search.get("/v1/search", statuses=(304,))
def search_events(query: SearchAsked) -> Shared[SearchDocument]:
    """Find events"""
    return _found(_asked(query), highlight=query.highlight)


@search.get("/v1/events", statuses=(304,))
def list_events(query: PageAsked) -> Shared[SearchDocument]:
    """All events to come, those that begin first at the top; /v1/search finds some of them"""
    return _found(SearchQuery(sort=Sort.DATE, page_size=query.limit, cursor=query.cursor), highlight=False)


@search.get("/v1/suggestions", statuses=(304,))
def suggest(query: SuggestionsAsked) -> Shared[SuggestionsDocument]:
    """What the words may be the beginning of"""
    words = plain(query.q).split()
    return shared(
        SuggestionsDocument(
            suggestions=[
                SuggestionDocument(
                    kind=one.kind, text=one.text, event_id=one.event_id, parts=_parts(parts(one.text, words))
                )
                for one in box_office().shows.suggest(query.q)
            ]
        )
    )


def _found(asked: SearchQuery, *, highlight: bool) -> Shared[SearchDocument]:
    page = box_office().shows.search(asked)
    return shared(
        SearchDocument(
            events=[_hit(hit, asked, highlight=highlight) for hit in page.hits],
            total=page.total,
            total_is_exact=page.total_is_exact,
            next_cursor=page.next_cursor,
            facets=_facets(page.facets) if page.facets else None,
        )
    )


def _asked(query: SearchAsked) -> SearchQuery:
    return SearchQuery(
        artist=query.artist,
        location=query.location,
        text=query.q,
        when=between(query.dateTime) if query.dateTime else None,
        near=_near(query),
        filters=Filters(
            cities=tuple(query.city),
            genres=tuple(query.genre),
            months=tuple(query.month),
            price_min_minor=query.price_min_minor,
            price_max_minor=query.price_max_minor,
        ),
        available=query.available,
        sort=query.sort,
        page_size=query.limit,
        cursor=query.cursor,
        facets=query.facets,
    )


def _near(query: SearchAsked) -> Near | None:
    if query.latitude is None and query.longitude is None:
        return None
    if query.latitude is None or query.longitude is None:
        raise BadRequest("Give both.", field="latitude" if query.latitude is None else "longitude")
    return Near(query.latitude, query.longitude, query.radius_km)


def _hit(hit: Hit, asked: SearchQuery, *, highlight: bool) -> HitDocument:
    marked = {name: _parts(pieces) for name, pieces in highlights(hit, asked).items()} if highlight else None
    return HitDocument(
        event_id=hit.event_id,
        name=hit.name,
        slug=hit.slug,
        starts_at=hit.starts_at,
        on_sale_at=hit.on_sale_at,
        venue=hit.venue,
        city=hit.city,
        country=hit.country,
        latitude=hit.latitude,
        longitude=hit.longitude,
        artists=list(hit.artists),
        genre=hit.genre,
        currency=hit.currency,
        price_min_minor=hit.price_min_minor,
        price_max_minor=hit.price_max_minor,
        sold_out=hit.sold_out,
        highlights=marked,
    )


def _parts(pieces: Iterable[Part]) -> list[PartDocument]:
    return [PartDocument(text=piece.text, marked=piece.marked) for piece in pieces]


def _facets(facets: Facets) -> FacetsDocument:
    return FacetsDocument(
        cities=_values(facets.cities),
        genres=_values(facets.genres),
        months=_values(facets.months),
        prices=[
            PriceBandDocument(min_minor=band.min_minor, max_minor=band.max_minor, count=band.count)
            for band in facets.prices
        ],
    )


def _values(counted: Iterable[Counted]) -> list[FacetValueDocument]:
    return [FacetValueDocument(value=one.value, count=one.count) for one in counted]
