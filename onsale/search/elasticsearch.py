"""Search on Elasticsearch: the same answers as PostgreSQL's, over millions of events, in a few milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from elasticsearch import ApiError, BadRequestError, Elasticsearch, TransportError

from onsale.errors import BadRequest, SearchUnavailable
from onsale.search import (
    FACET_VALUES_MAX,
    HITS_MAX,
    PRICE_BANDS,
    Counted,
    Facets,
    Hit,
    PriceBand,
    SearchPage,
    SearchQuery,
    Suggestion,
    asking_elasticsearch,
    cursors,
    event_index,
)
from onsale.search.folding import plain
from onsale.search.suggesting import LOOKED_AT_MAX, Seen, suggestions
from onsale.search.words import check, check_term

REQUEST_SECONDS = 2.0
EXACT, NEAR = "e", "n"
# What is searched and not shown.
_UNSEEN = ["region", "artist", "place", "title", "all", "month"]
_SUGGESTED_BY = ("artist", "title", "place")


class ElasticsearchSearch:
    """`Search` over the index behind the alias, which the change stream keeps up to date."""

    def __init__(self, client: Elasticsearch, *, answer_seconds: float = REQUEST_SECONDS) -> None:
        self._client = client.options(request_timeout=answer_seconds, max_retries=1)

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for; BadRequest names the field that makes no sense. SearchUnavailable when nobody answers."""
        check(query)
        kinds = {kind: asking_elasticsearch.sort_types(query, near=kind == NEAR) for kind in (EXACT, NEAR)}
        kind, after = cursors.read(query.cursor, kinds=kinds) if query.cursor else (EXACT, None)
        page = self._page(query, kind, after)
        # As beginnings first; what is misspelt is looked for only when nothing fits.
        if not page.hits and kind == EXACT and after is None and _has_words(query):
            page = self._page(query, NEAR, None)
        return page

    def suggest(self, text: str) -> tuple[Suggestion, ...]:
        """What the text may be the beginning of, or nearly. BadRequest; SearchUnavailable when nobody answers."""
        check_term(text, field="q")
        words = plain(text)
        if not words:
            return ()
        found = suggestions(words, self._seen(words, near=False))
        return found or suggestions(words, self._seen(words, near=True), near=True)

    def _page(self, query: SearchQuery, kind: str, after: list[Any] | None) -> SearchPage:
        asked = asking_elasticsearch.page(query, near=kind == NEAR, now=datetime.now(UTC))
        try:
            answer = self._client.search(
                index=event_index.ALIAS,
                # One more than is shown says whether there is another page.
                size=query.page_size + 1,
                search_after=after,
                track_total_hits=HITS_MAX,
                source_excludes=_UNSEEN,
                **asked,
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
            total_is_exact=answer["hits"]["total"]["relation"] == "eq",
            next_cursor=cursors.written(kind=kind, after=shown[-1]["sort"]) if more else None,
            facets=_facets(answer["aggregations"]) if query.facets else None,
        )

    def _seen(self, words: str, *, near: bool) -> list[Seen]:
        searches: list[Mapping[str, Any]] = []
        for field in _SUGGESTED_BY:
            asked = asking_elasticsearch.coming(field, words, near=near, now=datetime.now(UTC))
            searches += [{}, {**asked, "size": LOOKED_AT_MAX, "track_total_hits": False}]
        try:
            answers = self._client.msearch(index=event_index.ALIAS, searches=searches)["responses"]
        except (ApiError, TransportError) as error:
            raise SearchUnavailable from error
        if any("error" in each for each in answers):
            raise SearchUnavailable(str(answers))
        return [_seen(hit["_source"]) for each in answers for hit in each["hits"]["hits"]]


def _has_words(query: SearchQuery) -> bool:
    return any(plain(each) for each in (query.artist, query.location, query.text))


def _facets(counted: Mapping[str, Any]) -> Facets:
    def of(facet: str) -> tuple[Counted, ...]:
        buckets = counted[facet]["values"]["buckets"]
        return tuple(Counted(one["key"], one["doc_count"]) for one in buckets if one["key"])[:FACET_VALUES_MAX]

    bands = counted["price"]["values"]["buckets"]
    shows = [(low, high, bands[str(low)]["doc_count"]) for low, high in PRICE_BANDS]
    prices = tuple(PriceBand(low, high, count) for low, high, count in shows if count)
    return Facets(of("city"), of("genre"), tuple(sorted(of("month"))), prices)


def _seen(source: Mapping[str, Any]) -> Seen:
    return Seen(source["event_id"], source["name"], tuple(source["artists"]), source["venue"], source["city"])


def _hit(source: Mapping[str, Any]) -> Hit:
    return Hit(
        event_id=source["event_id"],
        name=source["name"],
        slug=source["slug"],
        starts_at=datetime.fromisoformat(source["starts_at"]),
        on_sale_at=datetime.fromisoformat(source["on_sale_at"]),
        venue=source["venue"],
        city=source["city"],
        country=source["country"],
        latitude=source["point"]["lat"],
        longitude=source["point"]["lon"],
        artists=tuple(source["artists"]),
        genre=source["genre"],
        currency=source["currency"],
        price_min_minor=source["price_min_minor"],
        price_max_minor=source["price_max_minor"],
        sold_out=source["sold_out"],
    )
