"""Search on PostgreSQL's own full text: words, beginnings of words, and near misses where pg_trgm is there."""

from __future__ import annotations

from sqlalchemy import Engine

from onsale.search import SearchPage, SearchQuery


class PostgresSearch:
    """`Search` over the record itself: always up to date, no part of its own to run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def search(self, query: SearchQuery) -> SearchPage:
        raise NotImplementedError
