"""The index in Elasticsearch: its mapping, writing documents with versions, and the alias that searches read.

Readers use ALIAS alone. A rebuild fills a new index, named by NEXT, beside the one in use and moves the alias, so no
search fails or sees half of it. The change stream is written to both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError
from elasticsearch.helpers import scan, streaming_bulk

ALIAS = "onsale-events"
NEXT = "onsale-events-next"
BULK_DOCUMENTS = 1_000
BEGINNING_LETTERS_MAX = 30
# How long Elasticsearch remembers that a document was deleted, so that an older write cannot bring it back.
REMEMBER_DELETES = "1h"
CONFLICT = 409
FILLED_UP_TO = "filled_up_to"

SETTINGS: dict[str, Any] = {
    "refresh_interval": "200ms",
    "gc_deletes": REMEMBER_DELETES,
    "analysis": {
        "filter": {
            # Words longer than that are found whole.
            "beginnings": {
                "type": "edge_ngram",
                "min_gram": 1,
                "max_gram": BEGINNING_LETTERS_MAX,
                "preserve_original": True,
            }
        },
        "analyzer": {
            "words": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"]},
            "beginnings": {
                "type": "custom",
                "tokenizer": "standard",
                "filter": ["lowercase", "asciifolding", "beginnings"],
            },
        },
    },
}


def _words(*copied_to: str) -> dict[str, Any]:
    return {"type": "text", "analyzer": "words", "copy_to": list(copied_to)}


def _searched() -> dict[str, Any]:
    """Words, and their beginnings; what is typed is only cut into words."""
    beginnings = {"type": "text", "analyzer": "beginnings", "search_analyzer": "words", "index_options": "docs"}
    return {"type": "text", "analyzer": "words", "fields": {"start": beginnings}}


MAPPINGS: dict[str, Any] = {
    # A field without its place here is a mistake that must be seen.
    "dynamic": "strict",
    "properties": {
        "event_id": {"type": "long"},
        "name": _words("title", "all"),
        "artists": _words("artist", "title", "all"),
        "venue": _words("place", "all"),
        "city": _words("place", "all"),
        "country": _words("place", "all"),
        "region": _words("place", "all"),
        "artist": _searched(),
        "title": _searched(),
        "place": _searched(),
        "all": _searched(),
        "slug": {"type": "keyword", "index": False, "doc_values": False},
        "starts_at": {"type": "date"},
        "on_sale_at": {"type": "date"},
        "point": {"type": "geo_point"},
        "currency": {"type": "keyword"},
        "price_min_minor": {"type": "long"},
        "price_max_minor": {"type": "long"},
    },
}


class WriteRefused(Exception):
    """Elasticsearch took no document of this form. The index and this version of Onsale do not belong together."""


def create(client: Elasticsearch, name: str, *, alias: str) -> None:
    """A new, empty index under this alias; BadRequestError when there is one of this name."""
    client.indices.create(index=name, settings=SETTINGS, mappings=MAPPINGS, aliases={alias: {}})


def write(client: Elasticsearch, name: str, documents: Mapping[int, Mapping[str, Any] | None], *, version: int) -> int:
    """Write what each event is as of `version`, None for gone; how many were news to the index.

    A document that the index has in this version or a newer one stays: any order, any number of times.
    """
    acts = (_act(name, event_id, document, version) for event_id, document in documents.items())
    written = 0
    for ok, result in streaming_bulk(client, acts, chunk_size=BULK_DOCUMENTS, raise_on_error=False):
        ((operation, told),) = result.items()
        # Not found: it is gone already. Conflict: the index knows better.
        if not ok and told["status"] not in (CONFLICT, 404):
            raise WriteRefused(f"{operation} of event {told['_id']}: {told.get('error')}")
        written += bool(ok)
    return written


def _act(name: str, event_id: int, document: Mapping[str, Any] | None, version: int) -> dict[str, Any]:
    act: dict[str, Any] = {"_index": name, "_id": str(event_id), "version": version, "version_type": "external"}
    if document is None:
        return {**act, "_op_type": "delete"}
    return {**act, "_op_type": "index", "_source": document}


def named(client: Elasticsearch, alias: str) -> list[str]:
    """The indices an alias names: one, or none before the first rebuild or when none is under way."""
    try:
        return sorted(client.indices.get_alias(name=alias))
    except NotFoundError:
        return []


def written_to(client: Elasticsearch) -> list[str]:
    """Every index that must hear of changes: the one in use, and the one that is being filled."""
    return sorted({*named(client, ALIAS), *named(client, NEXT)})


def swap(client: Elasticsearch, name: str) -> list[str]:
    """Let searches read this index from now on, in one step; returns the indices they read before."""
    before = [each for each in named(client, ALIAS) if each != name]
    moves: list[Mapping[str, Any]] = [{"remove": {"index": each, "alias": ALIAS}} for each in before]
    moves += [{"remove": {"index": each, "alias": NEXT}} for each in named(client, NEXT)]
    client.indices.update_aliases(actions=[*moves, {"add": {"index": name, "alias": ALIAS}}])
    return before


def ids_in(client: Elasticsearch, name: str) -> Iterator[int]:
    """Every event an index holds."""
    for hit in scan(client, index=name, query={"_source": False}, size=BULK_DOCUMENTS):
        yield int(hit["_id"])


def filled_up_to(client: Elasticsearch, name: str) -> int:
    """The last event of which an interrupted rebuild knew that it and all before it are written; 0 at first."""
    told = client.indices.get_mapping(index=name)[name]["mappings"].get("_meta", {})
    return int(told.get(FILLED_UP_TO, 0))


def note_filled_up_to(client: Elasticsearch, name: str, event_id: int) -> None:
    """Leave a note in the index itself for whoever goes on after a crash."""
    client.indices.put_mapping(index=name, meta={FILLED_UP_TO: event_id})
