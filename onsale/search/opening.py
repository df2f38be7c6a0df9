"""The search of a deployment: Elasticsearch with the record behind it, or the record alone."""

from __future__ import annotations

from elasticsearch import Elasticsearch, OrjsonSerializer
from sqlalchemy import Engine

from onsale.search import Search
from onsale.search.elasticsearch import ElasticsearchSearch
from onsale.search.falling_back import FallingBack
from onsale.search.kept_node import KeptNode
from onsale.search.postgres import PostgresSearch


def open_search(url: str, engine: Engine) -> Search:
    """On the index at this URL, or on the record when it is empty; connects at its first use."""
    record = PostgresSearch(engine)
    return FallingBack(ElasticsearchSearch(asking(url)), record) if url else record


def asking(url: str) -> Elasticsearch:
    """The client of who searches: many small questions, the same few ways."""
    return Elasticsearch(url, node_class=KeptNode, serializer=OrjsonSerializer())
