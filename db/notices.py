"""What an organiser has said to everybody waiting, and when: read from the sale log, where every notice is a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import EventId

SHOWN_MAX = 5
# How far back the log is looked through for them.
LINES_MAX = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice; the newest is `current` unless it was taken down."""

    at: datetime
    words: str
    current: bool


def said(connection: Connection, event_id: EventId, *, limit: int = SHOWN_MAX) -> Sequence[Notice]:
    """The last notices, newest first."""
    rows = connection.execute(_SAID, {"event_id": event_id, "lines": LINES_MAX}).all()
    found = [Notice(row.at, row.words, number == 0) for number, row in enumerate(rows) if row.words]
    return found[:limit]


_SAID = text("""
    SELECT at, body -> 'notice' ->> 'to' AS words
      FROM (SELECT seq, at, kind, body FROM sale_log
             WHERE event_id = :event_id ORDER BY seq DESC LIMIT :lines) AS lately
     WHERE kind = 'queue_changed' AND body ? 'notice'
     ORDER BY seq DESC
""")
