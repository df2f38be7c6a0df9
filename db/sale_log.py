"""The event's append-only log of what people and the system did to its sale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

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
    """Write a line in the caller's transaction; returns its seq."""
    raise NotImplementedError


def read(connection: Connection, event_id: EventId, *, after: int = 0, limit: int = 100) -> tuple[Line, ...]:
    """Lines after `after`, oldest first."""
    raise NotImplementedError


def newest(connection: Connection, event_id: EventId, *, limit: int = 50) -> tuple[Line, ...]:
    """The newest lines, newest first."""
    raise NotImplementedError
