"""Numbers of a draw that nobody is on record for: what a queue that was lost in the pre-queue leaves of its block.

Recovery gives no number twice, so it goes on behind the last one reserved; those between are drawn with the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from onsale.db import return_journal
from onsale.db.ids import EventId


def may_be(connection: Connection, event_id: EventId) -> bool:
    """Whether the event's queue was ever lost: else every number that was given out is on record, or soon will be."""
    return bool(connection.execute(_WAS_LOST, {"event_id": event_id}).scalar_one())


def of_draw(connection: Connection, event_id: EventId, *, size: int) -> Iterator[range]:
    """The stretches of 1..`size` under which nobody is on record as having joined, in order."""
    for first, last in return_journal.number_gaps(connection, event_id, 1, size, limit=None):
        yield range(first, last + 1)


_WAS_LOST = text("SELECT EXISTS (SELECT FROM sale_log WHERE event_id = :event_id AND kind = 'queue_recovered')")
