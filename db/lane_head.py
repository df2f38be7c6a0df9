"""The lowest queued booking of a lane, read without its wishes: how a lane learns which booking it cannot read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from onsale.db.ids import BookingId, EventId

_HEAD = text(
    "SELECT id, number, return_number FROM bookings WHERE event_id = :event_id AND state = 'queued'"
    " ORDER BY number, created_at, id LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Head:
    """A queued booking by its place."""

    id: BookingId
    number: int
    return_number: int | None


def read(connection: Connection, event_id: EventId) -> Head | None:
    """The booking that `lane.read_batch` with a limit of 1 is about to read in this transaction."""
    row = connection.execute(_HEAD, {"event_id": event_id}).one_or_none()
    return None if row is None else Head(BookingId(row.id), row.number, row.return_number)
