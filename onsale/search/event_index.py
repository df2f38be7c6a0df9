"""The index in Elasticsearch: its mapping, writing documents with versions, and the alias that searches read.

Readers use ALIAS alone. A rebuild fills a new index, named by NEXT, beside the one in use and moves the alias, so no
search fails or sees half of it. The change stream is written to both. Both names are of one form of documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

import orjson
from elasticsearch import ApiError, Elasticsearch, NotFoundError, TransportError
from elasticsearch.helpers import BulkIndexError, ScanError, scan, streaming_bulk

from onsale.errors import SearchUnavailable
from onsale.search.documents import Document

BULK_DOCUMENTS = 1_000
BEGINNING_LETTERS_MAX = 30
# How long Elasticsearch remembers that a document was deleted, so that an older write cannot bring it back.
REMEMBER_DELETES = "1h"
CONFLICT = 409
NOT_FOUND = 404
# A rebuild writes a thousand documents at once, on a machine that sells meanwhile.
REQUEST_SECONDS = 30.0
# A million events take one minute; who waits longer lets Elasticsearch go on alone.
MERGE_SECONDS = 600.0
FILLED_UP_TO = "filled_up_to"
ORIGIN = "origin"

REFRESH = "refresh_interval"

SETTINGS: dict[str, Any] = {
    REFRESH: "200ms",
    "gc_deletes": REMEMBER_DELETES,
    # Soonest first on disk: a list by date, and suggestions as one types, need not look at every show that fits.
    "sort.field": ["starts_at", "event_id"],
    "sort.order": ["asc", "asc"],
    "analysis": {
        "filter": {
            # Of a longer word so many letters are compared.
            "beginnings": {"type": "edge_ngram", "min_gram": 1, "max_gram": BEGINNING_LETTERS_MAX}
        },
        "analyzer": {
            # What is written and what is asked are plain words already, cut as the record cuts them.
            "words": {"type": "custom", "tokenizer": "whitespace"},
            "beginnings": {"type": "custom", "tokenizer": "whitespace", "filter": ["beginnings"]},
        },
    },
}


# Shown, never searched.
_SHOWN = {"type": "keyword", "index": False, "doc_values": False}


def _searched() -> dict[str, Any]:
    """Words, and their beginnings; what is typed is only cut into words."""
    beginnings = {"type": "text", "analyzer": "beginnings", "search_analyzer": "words", "index_options": "docs"}
    return {"type": "text", "analyzer": "words", "fields": {"start": beginnings}}


MAPPINGS: dict[str, Any] = {
    # A field without its place here is a mistake that must be seen.
    "dynamic": "strict",
    "properties": {
        "event_id": {"type": "long"},
        "name": _SHOWN,
        "artists": _SHOWN,
        "venue": _SHOWN,
        "city": {"type": "keyword"},
        "country": {"type": "keyword"},
        "region": {"type": "keyword"},
        "artist": _searched(),
        "title": _searched(),
        "place": _searched(),
        "all": _searched(),
        "genre": {"type": "keyword"},
        "month": {"type": "keyword"},
        "sold_out": {"type": "boolean"},
        "slug": _SHOWN,
        "starts_at": {"type": "date"},
        "on_sale_at": {"type": "date"},
        "point": {"type": "geo_point"},
        "currency": {"type": "keyword"},
        "price_min_minor": {"type": "long"},
        "price_max_minor": {"type": "long"},
    },
}


# A version of Onsale whose documents look otherwise makes an index of its own beside this one, and searches the record
# until it is there.
_FORM = blake2b(orjson.dumps([SETTINGS, MAPPINGS]), digest_size=4).hexdigest()
ALIAS = f"onsale-events-{_FORM}"
NEXT = f"{ALIAS}-next"


class WriteRefused(Exception):
    """Elasticsearch took no document of this form. The index and this version of Onsale do not belong together."""


class EventIndex:
    """All that writes to Elasticsearch. Every method raises SearchUnavailable when it does not answer or refuses."""

    def __init__(self, url: str) -> None:
        self._client = Elasticsearch(url, request_timeout=REQUEST_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def create(self, name: str, *, alias: str, origin: str = "", filling: bool = False) -> None:
        """A new, empty index under this alias; SearchUnavailable when there is one of this name.

        `origin` says which log the versions of its documents are positions of. `filling`: nobody searches it before
        `settle`.
        """
        mappings = {**MAPPINGS, "_meta": {ORIGIN: origin}}
        # A refresh five times a second leaves a hundred thousand small segments to merge.
        settings = {**SETTINGS, REFRESH: "-1"} if filling else SETTINGS
        with _translated():
            self._client.indices.create(index=name, settings=settings, mappings=mappings, aliases={alias: {}})

    def settle(self, name: str) -> None:
        """Make an index that was filled ready for searches: in one piece, and showing what is written from now on."""
        # It is only faster so: an Elasticsearch that does not merge at will, or takes its time, is as right.
        with suppress(ApiError, TransportError):
            patient = self._client.options(request_timeout=MERGE_SECONDS, max_retries=0)
            patient.indices.forcemerge(index=name, max_num_segments=1)
        with _translated():
            self._client.indices.put_settings(index=name, settings={REFRESH: SETTINGS[REFRESH]})
            self._client.indices.refresh(index=name)

    def delete(self, name: str) -> None:
        """Remove an index with all it holds; harmless when it is not there."""
        with _translated():
            self._client.options(ignore_status=NOT_FOUND).indices.delete(index=name)

    def write(self, name: str, documents: Mapping[int, Document | None], *, version: int) -> int:
        """Write what each event is as of `version`, None for gone; how many were news to the index.

        A document that the index has in this version or a newer one stays: any order, any number of times.
        """
        acts = (_act(name, event_id, document, version) for event_id, document in documents.items())
        written = 0
        with _translated():
            for ok, result in streaming_bulk(self._client, acts, chunk_size=BULK_DOCUMENTS, raise_on_error=False):
                ((operation, told),) = result.items()
                # Conflict: the index knows better. Not found: it is gone already.
                if not ok and told["status"] not in (CONFLICT, NOT_FOUND):
                    raise WriteRefused(f"{operation} of event {told['_id']}: {told.get('error')}")
                written += bool(ok)
        return written

    def refresh(self, name: str) -> None:
        """Let searches see everything written so far."""
        with _translated():
            self._client.indices.refresh(index=name)

    def count(self, name: str) -> int:
        """How many events searches see there."""
        with _translated():
            return int(self._client.count(index=name)["count"])

    def get(self, name: str, event_ids: Sequence[int]) -> dict[int, Document]:
        """The documents of those of these events that are there."""
        with _translated():
            answer = self._client.mget(index=name, ids=[str(event_id) for event_id in event_ids])
        return {int(each["_id"]): each["_source"] for each in answer["docs"] if each.get("found")}

    def ids(self, name: str) -> Iterator[int]:
        """Every event an index holds."""
        with _translated():
            for hit in scan(self._client, index=name, query={"_source": False}, size=BULK_DOCUMENTS):
                yield int(hit["_id"])

    def named(self, alias: str) -> list[str]:
        """The indices an alias names: one, or none before the first rebuild or when none is under way."""
        with _translated():
            try:
                return sorted(self._client.indices.get_alias(name=alias))
            except NotFoundError:
                return []

    def written_to(self) -> list[str]:
        """Every index that must hear of changes: the one in use, and the one that is being filled."""
        return sorted({*self.named(ALIAS), *self.named(NEXT)})

    def swap(self, name: str) -> list[str]:
        """Let searches read this index from now on, in one step; returns the indices they read before."""
        before = [each for each in self.named(ALIAS) if each != name]
        moves: list[Mapping[str, Any]] = [{"remove": {"index": each, "alias": ALIAS}} for each in before]
        moves += [{"remove": {"index": each, "alias": NEXT}} for each in self.named(NEXT)]
        with _translated():
            self._client.indices.update_aliases(actions=[*moves, {"add": {"index": name, "alias": ALIAS}}])
        return before

    def filled_up_to(self, name: str) -> int:
        """The last event of which an interrupted rebuild knew that it and all before it are written; 0 at first."""
        return int(self._notes(name).get(FILLED_UP_TO, 0))

    def origin(self, name: str) -> str:
        """Which log the versions of this index's documents are positions of."""
        return str(self._notes(name).get(ORIGIN, ""))

    def note_filled_up_to(self, name: str, event_id: int) -> None:
        """Leave a note in the index itself for whoever goes on after a crash."""
        with _translated():
            self._client.indices.put_mapping(index=name, meta={**self._notes(name), FILLED_UP_TO: event_id})

    def _notes(self, name: str) -> dict[str, Any]:
        with _translated():
            (told,) = self._client.indices.get_mapping(index=name).values()
        found: dict[str, Any] = told["mappings"].get("_meta", {})
        return found


def _act(name: str, event_id: int, document: Document | None, version: int) -> dict[str, Any]:
    act: dict[str, Any] = {"_index": name, "_id": str(event_id), "version": version, "version_type": "external"}
    if document is None:
        return {**act, "_op_type": "delete"}
    return {**act, "_op_type": "index", "_source": document}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ApiError, TransportError, BulkIndexError, ScanError) as error:
        raise SearchUnavailable(f"Elasticsearch: {error}") from error
