"""Search on PostgreSQL's own full text: words, beginnings of words, and near misses where pg_trgm is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from onsale.search import (
    FACET_VALUES_MAX,
    PRICE_BANDS,
    Counted,
    Facets,
    Hit,
    PriceBand,
    SearchPage,
    SearchQuery,
    Suggestion,
    cursors,
    sql,
)
from onsale.search.folding import plain
from onsale.search.suggesting import LOOKED_AT_MAX, Seen, suggestions
from onsale.search.words import WORDS_MAX, check, check_term

# Below this a near miss is another word. Two letters swapped in "Philharmonic" give 0.6, one wrong in "Berlin" 0.43.
ALIKE_MIN = 0.4
# Of all that is typed at once, looked for by index: one letter left out of nine gives 0.6.
ALIKE_TYPED_MIN = 0.5
# What a lone letter resembles is everything.
NEAR_MISS_CHARACTERS_MIN = 4
# The record cuts words there: PostgreSQL takes 2,046 bytes.
WORD_LETTERS_MAX = 500
WORDS, NEAR_MISSES = "w", "m"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The sort values of a hit: how well it fits, when it begins (microseconds since the epoch), its id.
_KINDS = {WORDS: (float, int, int), NEAR_MISSES: (float, int, int)}


class PostgresSearch:
    """`Search` over the record itself: always up to date, no part of its own to run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._near_misses: bool | None = None

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for; BadRequest names the field that makes no sense. RecordUnavailable without a record."""
        check(query)
        kind, after = cursors.read(query.cursor, kinds=_KINDS) if query.cursor else (WORDS, None)
        asked = _asked(query, after)
        with sql.asking(self._engine) as connection:
            page = _page(connection, asked, near=kind == NEAR_MISSES)
            if (
                not page.hits
                and kind == WORDS
                and after is None
                and self._worth_a_second_look(connection, *(asked[name] for name in _PLAIN))
            ):
                page = _page(connection, asked, near=True)
        return page

    def suggest(self, text: str) -> tuple[Suggestion, ...]:
        """What the text may be the beginning of, or nearly where pg_trgm is there. BadRequest; RecordUnavailable."""
        check_term(text, field="q")
        words = plain(text)
        if not words:
            return ()
        # Titles have weight A in the terms of everything.
        asked = {"terms": _terms(words), "title_terms": _terms(words, weight="A"), "limit": LOOKED_AT_MAX}
        with sql.asking(self._engine) as connection:
            found = suggestions(words, _seen(connection, "suggest", asked))
            if not found and self._worth_a_second_look(connection, words):
                connection.execute(_LET_NEARLY_BE, {"alike": str(ALIKE_TYPED_MIN)})
                asked = {"words": words, "limit": LOOKED_AT_MAX}
                found = suggestions(words, _seen(connection, "suggest_nearly", asked), near=True)
        return found

    def _worth_a_second_look(self, connection: Connection, *words: str) -> bool:
        if not any(len(each) >= NEAR_MISS_CHARACTERS_MIN for each in words):
            return False
        if self._near_misses is None:
            self._near_misses = bool(connection.execute(_HAS_TRIGRAMS).scalar_one())
        return self._near_misses


def _seen(connection: Connection, statement: str, asked: dict[str, Any]) -> list[Seen]:
    rows = connection.execute(sql.load(statement), asked)
    return [Seen(row.id, row.name, tuple(row.artists), row.venue_name, row.city) for row in rows]


def _terms(words: str, *, weight: str = "") -> str:
    """All these words, each at least as a beginning: `ber phil` finds the Berliner Philharmoniker."""
    # Plain words hold nothing that a quotation could end at.
    return " & ".join(f"'{word[:WORD_LETTERS_MAX]}':*{weight}" for word in words.split()[:WORDS_MAX])


def _asked(query: SearchQuery, after: list[Any] | None) -> dict[str, Any]:
    artist, place, anything = plain(query.artist), plain(query.location), plain(query.text)
    rank, starts_us, event_id = after or (None, None, None)
    return {
        "artist": artist,
        "place": place,
        "anything": anything,
        "artist_terms": _terms(artist),
        "place_terms": _terms(place),
        "all_terms": _terms(anything),
        "first": query.when.first if query.when else None,
        "end": query.when.end if query.when else None,
        "latitude": query.near.latitude if query.near else None,
        "longitude": query.near.longitude if query.near else None,
        "radius_km": query.near.radius_km if query.near else None,
        **_filters(query),
        "sort": query.sort.value,
        "alike": ALIKE_MIN,
        "after_rank": rank,
        "after_starts_us": starts_us,
        "after_event_id": event_id,
        # One more than is shown says whether there is another page.
        "limit": query.page_size + 1,
    }


def _filters(query: SearchQuery) -> dict[str, Any]:
    filters = query.filters
    return {
        "cities": list(filters.cities),
        "genres": list(filters.genres),
        "months": list(filters.months),
        "price_min": filters.price_min_minor,
        "price_max": filters.price_max_minor,
        "available": query.available,
        "facets": query.facets,
        "band_lows": [low for low, _ in PRICE_BANDS],
        "band_highs": [high for _, high in PRICE_BANDS],
    }


def _page(connection: Connection, asked: dict[str, Any], *, near: bool) -> SearchPage:
    rows = connection.execute(sql.load("find_events"), {**asked, "near": near}).all()
    # One row at least: it has the count, and no event when nothing was found.
    found = [row for row in rows if row.id is not None]
    size = asked["limit"] - 1
    shown, more = found[:size], found[size:]
    kind = NEAR_MISSES if near else WORDS
    return SearchPage(
        hits=tuple(_hit(row) for row in shown),
        total=rows[0].total,
        next_cursor=cursors.written(kind=kind, after=_sort_values(shown[-1])) if more else None,
        facets=_facets(rows[0].facets or []) if asked["facets"] else None,
    )


def _facets(counted: Sequence[Sequence[Any]]) -> Facets:
    """From the statement's (facet, value, count), those with most shows first."""

    def of(facet: str) -> tuple[Counted, ...]:
        values = (Counted(value, count) for name, value, count in counted if name == facet)
        return tuple(islice(values, FACET_VALUES_MAX))

    shows = {int(low): count for name, low, count in counted if name == "price"}
    bands = tuple(PriceBand(low, high, shows[low]) for low, high in PRICE_BANDS if low in shows)
    return Facets(of("city"), of("genre"), tuple(sorted(of("month"))), bands)


def _sort_values(row: Row[Any]) -> list[Any]:
    return [float(row.rank), _microseconds(row.starts_at), row.id]


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _hit(row: Row[Any]) -> Hit:
    return Hit(
        event_id=row.id,
        name=row.name,
        slug=row.slug,
        starts_at=row.starts_at,
        on_sale_at=row.on_sale_at,
        venue=row.venue_name,
        city=row.city,
        country=row.country,
        latitude=row.latitude,
        longitude=row.longitude,
        artists=tuple(row.artists),
        genre=row.genre,
        currency=row.currency,
        price_min_minor=row.price_min_minor,
        price_max_minor=row.price_max_minor,
        sold_out=row.sold_out,
    )


_PLAIN = ("artist", "place", "anything")
# Until the end of the transaction.
_LET_NEARLY_BE = text("SELECT set_config('pg_trgm.word_similarity_threshold', :alike, true)")
_HAS_TRIGRAMS = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')")
