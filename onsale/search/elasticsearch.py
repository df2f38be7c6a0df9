"""Search on Elasticsearch: the same answers as PostgreSQL's, over millions of events, in a few milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from elasticsearch import ApiError, BadRequestError, Elasticsearch, TransportError

from onsale.errors import BadRequest, SearchUnavailable
from onsale.search import HITS_MAX, Hit, Near, SearchPage, SearchQuery, Sort, cursors, event_index
from onsale.search.words import WORDS_MAX, check, plain

REQUEST_SECONDS = 2.0
# What stands in the title counts most: whole words before beginnings, then one word of several; a place counts least.
TITLE_WORDS, TITLE_BEGINNINGS, TITLE_PARTLY = 8.0, 4.0, 2.0
# Letters of a word for one slip, and for two.
FUZZINESS = "AUTO:4,8"
EXACT, NEAR = "e", "n"
# The sort values of a hit: how well it fits or how far it is, when it begins (ms), its id.
_KINDS = {EXACT: (float, int, int), NEAR: (float, int, int)}


class ElasticsearchSearch:
    """`Search` over the index behind the alias, which the change stream keeps up to date."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client.options(request_timeout=REQUEST_SECONDS, max_retries=1)

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for; BadRequest names the field that makes no sense. SearchUnavailable when nobody answers."""
        check(query)
        kind, after = cursors.read(query.cursor, kinds=_KINDS) if query.cursor else (EXACT, None)
        page = self._page(query, kind, after)
        # As beginnings first; what is misspelt is looked for only when nothing fits.
        if not page.hits and kind == EXACT and after is None:
            page = self._page(query, NEAR, None)
        return page

    def _page(self, query: SearchQuery, kind: str, after: list[Any] | None) -> SearchPage:
        try:
            answer = self._client.search(
                index=event_index.ALIAS,
                query=_query(query, near=kind == NEAR, now=datetime.now(UTC)),
                sort=_order(query),
                # One more than is shown says whether there is another page.
                size=query.page_size + 1,
                search_after=after,
                track_total_hits=HITS_MAX,
                source_excludes=["region", "point", "artist", "place", "title", "all"],
            )
        except (ApiError, TransportError) as error:
            # A made-up cursor must not look like an index that is away.
            if after is not None and isinstance(error, BadRequestError):
                raise BadRequest("Take the cursor from the page before.", field=cursors.FIELD) from error
            raise SearchUnavailable from error
        found = answer["hits"]["hits"]
        shown, more = found[: query.page_size], found[query.page_size :]
        return SearchPage(
            hits=tuple(_hit(each["_source"]) for each in shown),
            total=answer["hits"]["total"]["value"],
            next_cursor=cursors.written(kind=kind, after=shown[-1]["sort"]) if more else None,
        )


def _query(query: SearchQuery, *, near: bool, now: datetime) -> dict[str, Any]:
    asked = {"artist": plain(query.artist), "place": plain(query.location), "all": plain(query.text)}
    wanted = [_all_words(field, words, near=near) for field, words in asked.items() if words]
    if query.near:
        wanted.append({"geo_distance": {"distance": f"{query.near.radius_km}km", "point": _point(query.near)}})
    if query.sort is not Sort.RELEVANCE:
        return {"bool": {"filter": [_when(query, now), *wanted]}}
    if near:
        # Here it counts how near a word is.
        return {"bool": {"filter": [_when(query, now)], "must": wanted}}
    return {"bool": {"filter": [_when(query, now), *wanted], "should": _ranks(asked["all"])}}


def _order(query: SearchQuery) -> list[dict[str, Any]]:
    first: dict[str, Any] = {"_score": "desc"}
    if query.sort is Sort.DISTANCE and query.near:
        first = {"_geo_distance": {"point": _point(query.near), "order": "asc", "unit": "km"}}
    # Ordered by date, nothing is ranked, and the first is the same for all.
    return [first, {"starts_at": "asc"}, {"event_id": "asc"}]


def _point(near: Near) -> dict[str, float]:
    return {"lat": near.latitude, "lon": near.longitude}


def _when(query: SearchQuery, now: datetime) -> dict[str, Any]:
    first = (query.when.first if query.when else None) or now
    within = {"gte": first.isoformat()}
    if query.when and query.when.end:
        within["lt"] = query.when.end.isoformat()
    return {"range": {"starts_at": within}}


def _all_words(field: str, words: str, *, near: bool) -> dict[str, Any]:
    """All these words, each at least as a beginning; `near`: or nearly."""
    some = " ".join(words.split()[:WORDS_MAX])
    if not near:
        return {"match": {f"{field}.start": {"query": some, "operator": "and"}}}
    return {"match": {field: {"query": some, "operator": "and", "fuzziness": FUZZINESS}}}


def _ranks(words: str) -> list[dict[str, Any]]:
    """Tiers, not a sum of word frequencies: within one, the earlier show comes first."""
    if not words:
        return []
    whole = {"match": {"title": {"query": words, "operator": "and"}}}
    beginnings = {"match": {"title.start": {"query": words, "operator": "and"}}}
    partly = {"match": {"title.start": {"query": words}}}
    tiers = ((whole, TITLE_WORDS), (beginnings, TITLE_BEGINNINGS), (partly, TITLE_PARTLY))
    return [{"constant_score": {"filter": one, "boost": boost}} for one, boost in tiers]


def _hit(source: dict[str, Any]) -> Hit:
    return Hit(
        event_id=source["event_id"],
        name=source["name"],
        slug=source["slug"],
        starts_at=datetime.fromisoformat(source["starts_at"]),
        on_sale_at=datetime.fromisoformat(source["on_sale_at"]),
        venue=source["venue"],
        city=source["city"],
        country=source["country"],
        artists=tuple(source["artists"]),
        currency=source["currency"],
        price_min_minor=source["price_min_minor"],
        price_max_minor=source["price_max_minor"],
    )
