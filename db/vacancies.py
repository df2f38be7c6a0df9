"""Numbers of a draw that nobody is on record for: what a queue that was lost in the pre-queue leaves of its block.

Recovery gives no number twice, so it goes on behind the last one reserved; those between are drawn with the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from onsale.db.ids import EventId


def may_be(connection: Connection, event_id: EventId) -> bool:
    """Whether the event's queue was ever lost: else every number that was given out is on record, or soon will be."""
    return bool(connection.execute(_WAS_LOST, {"event_id": event_id}).scalar_one())


def of_draw(connection: Connection, event_id: EventId, *, size: int) -> Iterator[range]:
    """The stretches of 1..`size` under which nobody is on record as having joined, in order."""
    for row in connection.execute(_GAPS, {"event_id": event_id, "size": size}):
        yield range(row.first, row.last + 1)


_WAS_LOST = text("SELECT EXISTS (SELECT FROM sale_log WHERE event_id = :event_id AND kind = 'queue_recovered')")
_GAPS = text("""
    SELECT before + 1 AS first, number - 1 AS last
      FROM (SELECT number, lag(number, 1, CAST(0 AS bigint)) OVER (ORDER BY number) AS before
              FROM (SELECT number FROM join_journal WHERE event_id = :event_id AND number <= :size
                    UNION ALL SELECT generate_series(first_number + 1, first_number + weight - 1)
                      FROM draw_lots WHERE event_id = :event_id
                    UNION ALL SELECT CAST(:size AS bigint) + 1) AS known) AS pairs
     WHERE number > before + 1
     ORDER BY number
""")
