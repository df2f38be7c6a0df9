"""Whether an event is sold out, noted on the event itself: lists and searches show it without counting its tickets."""

from __future__ import annotations

from sqlalchemy import Connection, text

from onsale.db.ids import EventId


def is_noted(connection: Connection, event_id: EventId) -> bool:
    """Whether the event is said to be sold out."""
    return bool(connection.scalar(_IS_NOTED, {"event_id": event_id}))


def note(connection: Connection, event_id: EventId, *, sold_out: bool) -> None:
    """Say so, or take it back: a ticket may come back as long as the sale runs."""
    connection.execute(_NOTE, {"event_id": event_id, "sold_out": sold_out})


_IS_NOTED = text("SELECT sold_out FROM events WHERE id = :event_id")
_NOTE = text("UPDATE events SET sold_out = :sold_out WHERE id = :event_id")
