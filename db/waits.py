"""What was told of the wait, and what came: the record that says how often a band held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from onsale.db.ids import EventId

# A line each 15 s for the first six hours, then each time half as often: months of a sale stay below this.
LINES_MAX = 10_000
# Twenty runs a second over seven hours; beyond it the first of a sale are judged.
RUNS_MAX = 500_000


@dataclass(frozen=True, slots=True)
class WaitTold:
    """What the status said at a moment: `body` is its `wait`."""

    at: datetime
    serving: int
    issued: int
    body: Mapping[str, Any]


def note(connection: Connection, event_id: EventId, told: WaitTold, *, slot: int) -> bool:
    """Write what is told in this slot of time; False when somebody has."""
    arguments = {
        "event_id": event_id,
        "slot": slot,
        "at": told.at,
        "serving": told.serving,
        "issued": told.issued,
        "body": orjson.dumps(told.body).decode(),
    }
    return connection.execute(_NOTE, arguments).rowcount == 1


def lines(connection: Connection, event_id: EventId) -> tuple[WaitTold, ...]:
    """What was told, oldest first."""
    rows = connection.execute(_LINES, {"event_id": event_id, "limit": LINES_MAX})
    return tuple(WaitTold(*row) for row in rows)


def calls(connection: Connection, event_id: EventId) -> tuple[tuple[int, datetime], ...]:
    """(last number called, when) of each run of the queue that called any, oldest first."""
    rows = connection.execute(_CALLS, {"event_id": event_id, "limit": RUNS_MAX})
    return tuple((row.last, row.at) for row in rows)


def joined_at(connection: Connection, event_id: EventId, numbers: Sequence[int]) -> Mapping[int, datetime]:
    """When these numbers were taken, as far as the journal knows."""
    rows = connection.execute(_JOINED_AT, {"event_id": event_id, "numbers": list(numbers)})
    return {row.number: row.joined_at for row in rows}


_NOTE = text("""
    INSERT INTO waits_told (event_id, slot, at, serving, issued, body)
    VALUES (:event_id, :slot, :at, :serving, :issued, CAST(:body AS jsonb))
    ON CONFLICT DO NOTHING
""")
_LINES = text("""
    SELECT at, serving, issued, body FROM waits_told WHERE event_id = :event_id ORDER BY at LIMIT :limit
""")
_CALLS = text("""
    SELECT last, at FROM admission_log WHERE event_id = :event_id AND last > 0 ORDER BY seq LIMIT :limit
""")
_JOINED_AT = text("""
    SELECT number, joined_at FROM join_journal
     WHERE event_id = :event_id AND number = ANY (CAST(:numbers AS bigint[]))
""")
