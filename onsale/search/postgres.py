"""Search on PostgreSQL's own full text: words, beginnings of words, and near misses where pg_trgm is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from onsale.search import Hit, SearchPage, SearchQuery, cursors, sql
from onsale.search.words import WORDS_MAX, check, plain

# Below this a near miss is another word. Two letters swapped in "Philharmonic" give 0.6, one wrong in "Berlin" 0.43.
ALIKE_MIN = 0.4
# What a lone letter resembles is everything.
NEAR_MISS_CHARACTERS_MIN = 4
WORDS, NEAR_MISSES = "find_events", "find_near_misses"
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
        arguments = _arguments(query, after)
        with sql.asking(self._engine) as connection:
            rows = connection.execute(sql.load(kind), arguments).all()
            if not rows and after is None and self._worth_a_second_look(connection, arguments):
                kind = NEAR_MISSES
                rows = connection.execute(sql.load(kind), arguments).all()
        return _page(rows, kind=kind, size=query.page_size)

    def _worth_a_second_look(self, connection: Connection, arguments: dict[str, Any]) -> bool:
        if not any(len(arguments[name]) >= NEAR_MISS_CHARACTERS_MIN for name in _PLAIN):
            return False
        if self._near_misses is None:
            self._near_misses = bool(connection.execute(_HAS_TRIGRAMS).scalar_one())
        return self._near_misses


def _terms(words: str) -> str:
    """All these words, each at least as a beginning: `ber phil` finds the Berliner Philharmoniker."""
    return " & ".join(f"{word}:*" for word in words.split()[:WORDS_MAX])


def _arguments(query: SearchQuery, after: list[Any] | None) -> dict[str, Any]:
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
        "sort": query.sort.value,
        "alike": ALIKE_MIN,
        "after_rank": rank,
        "after_starts_us": starts_us,
        "after_event_id": event_id,
        # One more than is shown says whether there is another page.
        "limit": query.page_size + 1,
    }


def _page(rows: Sequence[Row[Any]], *, kind: str, size: int) -> SearchPage:
    shown, more = rows[:size], rows[size:]
    return SearchPage(
        hits=tuple(_hit(row) for row in shown),
        total=rows[0].total if rows else 0,
        next_cursor=cursors.written(kind=kind, after=_sort_values(shown[-1])) if more else None,
    )


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
        artists=tuple(row.artists),
        currency=row.currency,
        price_min_minor=row.price_min_minor,
        price_max_minor=row.price_max_minor,
    )


_PLAIN = ("artist", "place", "anything")
_HAS_TRIGRAMS = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')")
