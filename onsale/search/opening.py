"""The search of a deployment: Elasticsearch with the record behind it, or the record alone."""

from __future__ import annotations

from elasticsearch import Elasticsearch
from sqlalchemy import Engine

from onsale.search import Search
from onsale.search.elasticsearch import ElasticsearchSearch
from onsale.search.falling_back import FallingBack
from onsale.search.postgres import PostgresSearch


def open_search(url: str, engine: Engine) -> Search:
    """On the index at this URL, or on the record when it is empty; connects at its first use."""
    record = PostgresSearch(engine)
    return FallingBack(ElasticsearchSearch(Elasticsearch(url)), record) if url else record
