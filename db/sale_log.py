"""The event's append-only log of what people and the system did to its sale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, text

from onsale.db.ids import EventId

PAGE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `seq` counts from 1 without a gap, `actor` is `staff:<id>` or the name of a part, `kind` a word."""

    seq: int
    at: datetime
    actor: str
    kind: str
    body: Mapping[str, object]


def append(connection: Connection, event_id: EventId, *, actor: str, kind: str, body: Mapping[str, object]) -> int:
    """Write a line in the caller's transaction; returns its seq.

    Writers take turns by locking the event until they commit, so that seq has no gap and no line appears behind a
    later one.
    """
    connection.execute(_TAKE_TURNS, {"event_id": event_id})
    arguments = {"event_id": event_id, "actor": actor, "kind": kind, "body": orjson.dumps(body, default=str).decode()}
    seq: int = connection.execute(_APPEND, arguments).scalar_one()
    return seq


def read(connection: Connection, event_id: EventId, *, after: int = 0, limit: int = 100) -> tuple[Line, ...]:
    """Lines after `after`, oldest first."""
    arguments = {"event_id": event_id, "after": after, "limit": min(limit, PAGE_MAX)}
    return tuple(Line(*row) for row in connection.execute(_READ, arguments))


def newest(connection: Connection, event_id: EventId, *, limit: int = 50) -> tuple[Line, ...]:
    """The newest lines, newest first."""
    rows = connection.execute(_NEWEST, {"event_id": event_id, "limit": min(limit, PAGE_MAX)})
    return tuple(Line(*row) for row in rows)


def before(connection: Connection, event_id: EventId, *, before: int | None, limit: int = 50) -> tuple[Line, ...]:
    """Lines before this one, newest first; None: from the newest on."""
    rows = connection.execute(_BEFORE, {"event_id": event_id, "before": before, "limit": min(limit, PAGE_MAX)})
    return tuple(Line(*row) for row in rows)


def about(connection: Connection, event_id: EventId, name: str, *, limit: int = 50) -> tuple[Line, ...]:
    """The lines that name this booking or person anywhere, oldest first; reads all lines of the event."""
    rows = connection.execute(_ABOUT, {"event_id": event_id, "name": name, "limit": min(limit, PAGE_MAX)})
    return tuple(Line(*row) for row in rows)


_BEFORE = text("""
    SELECT seq, at, actor, kind, body FROM sale_log
     WHERE event_id = :event_id AND (CAST(:before AS bigint) IS NULL OR seq < :before) ORDER BY seq DESC LIMIT :limit
""")
_ABOUT = text("""
    SELECT seq, at, actor, kind, body FROM sale_log
     WHERE event_id = :event_id AND strpos(body::text, :name) > 0 ORDER BY seq LIMIT :limit
""")
_TAKE_TURNS = text("SELECT FROM events WHERE id = :event_id FOR NO KEY UPDATE")
_APPEND = text("""
    INSERT INTO sale_log (event_id, seq, actor, kind, body)
    SELECT :event_id, coalesce(max(seq), 0) + 1, :actor, :kind, CAST(:body AS jsonb)
      FROM sale_log WHERE event_id = :event_id
    RETURNING seq
""")
_READ = text("""
    SELECT seq, at, actor, kind, body FROM sale_log
     WHERE event_id = :event_id AND seq > :after ORDER BY seq LIMIT :limit
""")
_NEWEST = text("""
    SELECT seq, at, actor, kind, body FROM sale_log WHERE event_id = :event_id ORDER BY seq DESC LIMIT :limit
""")
