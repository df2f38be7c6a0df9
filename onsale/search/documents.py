"""The document of an event: all that the index knows of it, read whole from the record."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

BATCH_MAX = 1_000


def documents(connection: Connection, event_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The documents of those of these events that a search may find; drafts and what does not exist are left out.

    At most BATCH_MAX at a time.
    """
    if len(event_ids) > BATCH_MAX:
        raise ValueError(f"at most {BATCH_MAX} documents at a time")
    rows = connection.execute(_statement(), {"ids": list(event_ids)})
    return {row.id: _document(row) for row in rows if row.status == "published"}


def event_ids_after(connection: Connection, event_id: int) -> list[int]:
    """The next BATCH_MAX events by their ids, to walk through all of them."""
    return list(connection.scalars(_IDS_AFTER, {"after": event_id, "limit": BATCH_MAX}))


def _document(row: Row[Any]) -> dict[str, Any]:
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
        "currency": row.currency,
        "price_min_minor": row.price_min_minor,
        "price_max_minor": row.price_max_minor,
    }


@cache
def _statement() -> TextClause:
    return text(files(__package__).joinpath("event_documents.sql").read_text(encoding="utf-8"))


_IDS_AFTER = text("SELECT id FROM events WHERE id > :after ORDER BY id LIMIT :limit")
