"""Being the only one: advisory locks of the record for work that needs no second copy at the same time."""

from __future__ import annotations

from sqlalchemy import Connection, text

from onsale.db.ids import EventId

_TRY = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, :event_id))")
_WAIT = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, :event_id))")


def try_alone(connection: Connection, name: str, event_id: EventId | None = None) -> bool:
    """Whether this transaction is now the only one doing `name` (for this event), until it ends."""
    return bool(connection.execute(_TRY, {"name": name, "event_id": event_id or 0}).scalar_one())


def alone(connection: Connection, name: str, event_id: EventId | None = None) -> None:
    """Wait until this transaction is the only one doing `name` (for this event)."""
    connection.execute(_WAIT, {"name": name, "event_id": event_id or 0})
