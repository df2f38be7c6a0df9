"""Search on PostgreSQL's own full text: words, beginnings of words, and near misses where pg_trgm is there."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection, Engine, Row, TextClause, text
from sqlalchemy.exc import DBAPIError, TimeoutError

from onsale.errors import BadRequest, RecordUnavailable
from onsale.search import HITS_MAX, PAGE_SIZE_MAX, TERM_CHARACTERS_MAX, Hit, SearchPage, SearchQuery

# Below this a near miss is another word. Two letters swapped in "Philharmonic" give 0.6, one wrong in "Berlin" 0.43.
ALIKE_MIN = 0.4
# What a lone letter resembles is everything.
NEAR_MISS_CHARACTERS_MIN = 4
WORDS_MAX = 10


class PostgresSearch:
    """`Search` over the record itself: always up to date, no part of its own to run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._near_misses: bool | None = None

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for; BadRequest names the field that makes no sense. RecordUnavailable without a record."""
        arguments = _arguments(query)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(_statement("find_events"), arguments).all()
                if not rows and self._worth_a_second_look(connection, arguments):
                    rows = connection.execute(_statement("find_near_misses"), arguments).all()
        except (DBAPIError, TimeoutError) as error:
            raise RecordUnavailable from error
        return _page(rows, offset=int(arguments["offset"]), limit=int(arguments["limit"]))

    def _worth_a_second_look(self, connection: Connection, arguments: dict[str, Any]) -> bool:
        # Later pages were read without near misses, and go on so.
        if arguments["offset"] or not any(len(arguments[name]) >= NEAR_MISS_CHARACTERS_MIN for name in _PLAIN):
            return False
        if self._near_misses is None:
            self._near_misses = bool(connection.execute(_HAS_TRIGRAMS).scalar_one())
        return self._near_misses


def plain(text: str) -> str:
    """Lower case, without accents, words with one space between: as the record's `plain_words` writes them."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", bare.translate(_WITHOUT_DECOMPOSITION)))


def _terms(words: str) -> str:
    """All these words, each at least as a beginning: `ber phil` finds the Berliner Philharmoniker."""
    return " & ".join(f"{word}:*" for word in words.split()[:WORDS_MAX])


def _arguments(query: SearchQuery) -> dict[str, Any]:
    for name in ("artist", "location", "text"):
        if len(getattr(query, name)) > TERM_CHARACTERS_MAX:
            raise BadRequest(f"At most {TERM_CHARACTERS_MAX} characters.", field=name)
    if not 1 <= query.page_size <= PAGE_SIZE_MAX:
        raise BadRequest(f"A page has 1 to {PAGE_SIZE_MAX} events.", field="page_size")
    artist, place, anything = plain(query.artist), plain(query.location), plain(query.text)
    return {
        "artist": artist,
        "place": place,
        "anything": anything,
        "artist_terms": _terms(artist),
        "place_terms": _terms(place),
        "all_terms": _terms(anything),
        "first": query.when.first if query.when else None,
        "end": query.when.end if query.when else None,
        "alike": ALIKE_MIN,
        "offset": _offset(query.cursor),
        "limit": query.page_size,
    }


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > len(str(HITS_MAX)) or int(cursor) > HITS_MAX:
        raise BadRequest("Take the cursor from the page before.", field="cursor")
    return int(cursor)


def _page(rows: list[Row[Any]] | Any, *, offset: int, limit: int) -> SearchPage:
    total = rows[0].total if rows else 0
    following = offset + limit
    return SearchPage(
        hits=tuple(_hit(row) for row in rows),
        total=total,
        next_cursor=str(following) if rows and following < min(total, HITS_MAX) else None,
    )


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


@cache
def _statement(name: str) -> TextClause:
    return text(files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))


_PLAIN = ("artist", "place", "anything")
# Letters that are letters of their own to Unicode.
_WITHOUT_DECOMPOSITION = str.maketrans("øłđ", "old")
_HAS_TRIGRAMS = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm')")
