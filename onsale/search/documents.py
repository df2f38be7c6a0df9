"""The document of an event: all that the index knows of it, read whole from the record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, text

from onsale.search import sql
from onsale.search.folding import findable

BATCH_MAX = 1_000

Document = dict[str, Any]


def documents(connection: Connection, event_ids: Sequence[int]) -> dict[int, Document | None]:
    """The document of each of these events; None for a draft, and for what does not exist.

    At most BATCH_MAX at a time.
    """
    if len(event_ids) > BATCH_MAX:
        raise ValueError(f"at most {BATCH_MAX} documents at a time")
    found: dict[int, Document | None] = dict.fromkeys(event_ids)
    for row in connection.execute(sql.load("event_documents"), {"ids": list(event_ids)}):
        found[row.id] = document(row)
    return found


def event_ids_after(connection: Connection, event_id: int) -> list[int]:
    """The next BATCH_MAX events by their ids, to walk through all of them."""
    return list(connection.scalars(_IDS_AFTER, {"after": event_id, "limit": BATCH_MAX}))


def all_event_ids(connection: Connection) -> list[int]:
    """Every event there is."""
    return list(connection.scalars(_ALL_IDS))


def events_with(connection: Connection, *, venues: Collection[int], artists: Collection[int]) -> list[int]:
    """The events whose documents name one of these."""
    asked = {"venues": list(venues), "artists": list(artists)}
    return list(connection.scalars(sql.load("dirty_events"), asked))


def document(row: Any) -> Document:
    """The document of a row of `event_documents`, or of what has its columns."""
    return {
        "event_id": row.id,
        "name": row.name,
        "slug": row.slug,
        "starts_at": row.starts_at.isoformat(),
        "on_sale_at": row.on_sale_at.isoformat(),
        "venue": row.venue_name,
        "city": row.city,
        "country": row.country,
        "region": row.region,
        "point": {"lat": row.latitude, "lon": row.longitude},
        "artists": list(row.artists),
        "genre": row.genre,
        "month": row.month,
        "sold_out": row.sold_out,
        **_words(row),
        "currency": row.currency,
        "price_min_minor": row.price_min_minor,
        "price_max_minor": row.price_max_minor,
    }


def _words(row: Any) -> dict[str, str]:
    """What is searched: the words that the record's search_documents have."""
    artist = findable(" ".join(row.artists))
    place = findable(f"{row.venue_name} {row.city} {row.country} {row.region}")
    title = " ".join(filter(None, (findable(row.name), artist)))
    everything = " ".join(filter(None, (title, place, findable(row.genre))))
    return {"artist": artist, "place": place, "title": title, "all": everything}


_IDS_AFTER = text("SELECT id FROM events WHERE id > :after ORDER BY id LIMIT :limit")
_ALL_IDS = text("SELECT id FROM events")
