"""How many people a queue let in, by interval: what the console's chart shows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import EventId

# Twenty runs a second over ten minutes; the log is read backwards no further than this.
RUNS_MAX = 12_000

_BY_INTERVAL = text("""
    SELECT date_bin(make_interval(secs => :seconds), at, :since) AS bin, sum(admitted)::bigint AS admitted
    FROM admission_log
    WHERE event_id = :event_id
      AND seq > (SELECT coalesce(max(seq), 0) - :runs FROM admission_log WHERE event_id = :event_id)
      AND at >= :since
    GROUP BY bin
    ORDER BY bin
""")


def by_interval(
    connection: Connection, event_id: EventId, *, since: datetime, seconds: float
) -> tuple[tuple[datetime, int], ...]:
    """(beginning, people let in) of every interval of `seconds` since then in which anybody was; oldest first."""
    values = {"event_id": event_id, "since": since, "seconds": seconds, "runs": RUNS_MAX}
    return tuple((row.bin, row.admitted) for row in connection.execute(_BY_INTERVAL, values))
