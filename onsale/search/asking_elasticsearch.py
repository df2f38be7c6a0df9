"""What is asked, in Elasticsearch's words: plain functions from a `SearchQuery` to the body of a request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from onsale.search import FACET_VALUES_MAX, PRICE_BANDS, Filters, Near, SearchQuery, Sort
from onsale.search.event_index import BEGINNING_LETTERS_MAX
from onsale.search.folding import plain
from onsale.search.words import WORDS_MAX

# What stands in the title counts most: whole words before beginnings, then one word of several; a place counts least.
TITLE_WORDS, TITLE_BEGINNINGS, TITLE_PARTLY = 8.0, 4.0, 2.0
# Letters of a word for one slip, and for two.
FUZZINESS = "AUTO:4,8"
# Shows without a genre have an empty one, which is not offered.
_TERMS = {"size": FACET_VALUES_MAX + 1}

Body = dict[str, Any]


def page(query: SearchQuery, *, near: bool, now: datetime) -> Body:
    """A page of shows: query, order, and the facets if they are asked for; `near`: misspelt words fit too."""
    asked = {"artist": plain(query.artist), "place": plain(query.location), "all": plain(query.text)}
    wanted = [_all_words(field, words, near=near) for field, words in asked.items() if words]
    needed = [_when(query, now), *_near(query.near), *([{"term": {"sold_out": False}}] if query.available else [])]
    chosen = _chosen(query.filters)
    body: Body = {"sort": _order(query, near=near)}
    if query.facets:
        # After the facets are counted: each of them counts as if its own filter were not there.
        body |= {"post_filter": _all(list(chosen.values())), "aggregations": _facets(chosen)}
    else:
        needed += chosen.values()
    if not _is_ranked(query, near=near):
        return body | {"query": _all([*needed, *wanted])}
    if near:
        # Here it counts how near a word is.
        return body | {"query": {"bool": {"filter": needed, "must": wanted}}}
    return body | {"query": {"bool": {"filter": [*needed, *wanted], "should": _ranks(asked["all"])}}}


def sort_types(query: SearchQuery, *, near: bool) -> tuple[type, ...]:
    """Of the sort values of a hit: how well it fits or how far it is, when it begins (ms), its id."""
    return (int, int) if len(_order(query, near=near)) == 2 else (float, int, int)


def coming(field: str, words: str, *, near: bool, now: datetime) -> Body:
    """Shows whose field has these words, as beginnings or nearly, soonest first."""
    return {
        "query": _all([_when(SearchQuery(), now), _all_words(field, words, near=near)]),
        "sort": _BY_DATE,
        "_source": ["event_id", "name", "artists", "venue", "city"],
    }


_BY_DATE: list[Body] = [{"starts_at": "asc"}, {"event_id": "asc"}]


def _is_ranked(query: SearchQuery, *, near: bool) -> bool:
    """Whether it counts how well a show fits; where all fit alike, the soonest comes first."""
    return query.sort is Sort.RELEVANCE and (near or bool(plain(query.text)))


def _order(query: SearchQuery, *, near: bool) -> list[Body]:
    if query.sort is Sort.DISTANCE and query.near:
        far = {"_geo_distance": {"point": _point(query.near), "order": "asc", "unit": "km"}}
        return [far, *_BY_DATE]
    return [{"_score": "desc"}, *_BY_DATE] if _is_ranked(query, near=near) else _BY_DATE


def _all(conditions: list[Body]) -> Body:
    return {"bool": {"filter": conditions}}


def _near(near: Near | None) -> list[Body]:
    return [{"geo_distance": {"distance": f"{near.radius_km}km", "point": _point(near)}}] if near else []


def _point(near: Near) -> dict[str, float]:
    return {"lat": near.latitude, "lon": near.longitude}


def _when(query: SearchQuery, now: datetime) -> Body:
    # To the minute: a filter that is the same for a while is answered from Elasticsearch's cache.
    first = (query.when.first if query.when else None) or now.replace(second=0, microsecond=0)
    within = {"gte": first.isoformat()}
    if query.when and query.when.end:
        within["lt"] = query.when.end.isoformat()
    return {"range": {"starts_at": within}}


def _all_words(field: str, words: str, *, near: bool) -> Body:
    """All these words, each at least as a beginning; `near`: or nearly."""
    if not near:
        return {"match": {f"{field}.start": {"query": _beginnings(words), "operator": "and"}}}
    return {"match": {field: {"query": _some(words), "operator": "and", "fuzziness": FUZZINESS}}}


def _ranks(words: str) -> list[Body]:
    """Tiers, not a sum of word frequencies: within one, the earlier show comes first."""
    whole = {"match": {"title": {"query": _some(words), "operator": "and"}}}
    beginnings = {"match": {"title.start": {"query": _beginnings(words), "operator": "and"}}}
    partly = {"match": {"title.start": {"query": _beginnings(words)}}}
    tiers = ((whole, TITLE_WORDS), (beginnings, TITLE_BEGINNINGS), (partly, TITLE_PARTLY))
    return [{"constant_score": {"filter": one, "boost": boost}} for one, boost in tiers]


def _some(words: str) -> str:
    return " ".join(words.split()[:WORDS_MAX])


def _beginnings(words: str) -> str:
    """As long as the index knows beginnings: in Thai a title is one word."""
    return " ".join(word[:BEGINNING_LETTERS_MAX] for word in words.split()[:WORDS_MAX])


def _chosen(filters: Filters) -> dict[str, Body]:
    """The condition of each filter that is set, by its facet."""
    values = {"city": filters.cities, "genre": filters.genres, "month": filters.months}
    chosen: dict[str, Body] = {facet: {"terms": {facet: list(some)}} for facet, some in values.items() if some}
    if filters.prices:
        chosen["price"] = _priced(*filters.prices)
    return chosen


def _priced(low: int | None, high: int | None) -> Body:
    """Shows that have a ticket for this much."""
    ends: list[Body] = []
    if high is not None:
        ends.append({"range": {"price_min_minor": {"lte": high}}})
    if low is not None:
        ends.append({"range": {"price_max_minor": {"gte": low}}})
    return _all(ends)


def _facets(chosen: dict[str, Body]) -> Body:
    counted: Body = {facet: {"terms": {"field": facet, **_TERMS}} for facet in ("city", "genre", "month")}
    counted["price"] = {"filters": {"filters": {str(low): _priced(low, high) for low, high in PRICE_BANDS}}}
    return {
        facet: {
            "filter": _all([one for other, one in chosen.items() if other != facet]),
            "aggregations": {"values": values},
        }
        for facet, values in counted.items()
    }
