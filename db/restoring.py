"""What the record knows of a queue that Redis lost: the furthest marks, who was let in lately, whose places count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from onsale.db.ids import EventId
from onsale.db.states import BookingState

PAGE_MAX = 10_000
_FIRST_ID = UUID(int=0)

_MARKS = text("""
    SELECT (SELECT coalesce(max(number), 0) FROM join_journal WHERE event_id = :event_id) AS journal_last,
           greatest((SELECT coalesce(max(return_number), 0) FROM bookings WHERE event_id = :event_id),
                    (SELECT coalesce(max(return_last), 0) FROM admission_log WHERE event_id = :event_id),
                    (SELECT coalesce(max(return_number), 0) FROM return_journal WHERE event_id = :event_id))
               AS return_last,
           coalesce(max(seq), 0) AS seq,
           coalesce(sum(admitted), 0) AS admitted_total,
           coalesce(min(nullif(first, 0)) FILTER (WHERE at > since), 0) AS first_lately,
           coalesce(min(nullif(return_first, 0)) FILTER (WHERE at > since), 0) AS return_first_lately,
           extract(epoch FROM clock_timestamp()) * 1000 AS now_ms
      FROM admission_log,
           (SELECT clock_timestamp() - enter_seconds * interval '1 second' AS since
              FROM queue_settings WHERE event_id = :event_id) AS entering
     WHERE event_id = :event_id
""")
_PLACES = text("""
    SELECT id, number, return_number, state, hold_until FROM bookings
     WHERE event_id = :event_id AND id > :after
       AND state IN ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised', 'committed',
                     'confirmed', 'refunding', 'refunded')
     ORDER BY id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Marks:
    """The furthest written down; `first_lately`: the lowest number let in within the time to enter (0: none)."""

    journal_last: int
    return_last: int
    seq: int
    admitted_total: int
    first_lately: int
    return_first_lately: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class UsedPlace:
    """A booking that uses its place in the queue, or used it up."""

    booking_id: UUID
    number: int
    return_number: int | None
    state: BookingState
    hold_until: datetime | None


def marks(connection: Connection, event_id: EventId) -> Marks:
    """The furthest marks of the event's queue, in one statement."""
    row = connection.execute(_MARKS, {"event_id": event_id}).one()
    return Marks(**{name: int(value) for name, value in row._mapping.items()})


def used_places(
    connection: Connection, event_id: EventId, *, after: UUID | None = None, limit: int = PAGE_MAX
) -> tuple[UsedPlace, ...]:
    """Bookings whose places count, by id: page through them with the last one's."""
    rows = connection.execute(_PLACES, {"event_id": event_id, "after": after or _FIRST_ID, "limit": limit})
    return tuple(
        UsedPlace(row.id, row.number, row.return_number, BookingState(row.state), row.hold_until) for row in rows
    )
