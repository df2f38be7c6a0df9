"""Sale reports that staff asked for: who wants one, how far it is, and its packed parts until newer ones are there."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from onsale.db import sale_log
from onsale.db.ids import EventId

# A maker that says nothing for so long is taken for dead, and another begins anew.
LEASE_SECONDS = 120
# One that fails so often has something wrong with it that another try does not mend.
ATTEMPTS_MAX = 3
# Of each event; older ones go when a new one is ready.
KEPT = 5
LISTED_MAX = 10


class ReportState(StrEnum):
    """How far a report is."""

    ASKED = "asked"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """One of them. `broken`: the invariants that did not hold, empty when all did; `why` it could not be made."""

    id: UUID
    event_id: EventId
    asked_by: str
    asked_at: datetime
    state: ReportState
    attempt: int
    lines_done: int
    lines_all: int
    parts: int
    head: str | None
    broken: str | None
    why: str | None
    ended_at: datetime | None


def ask(connection: Connection, event_id: EventId, *, actor: str) -> Report:
    """The report that is to be made; while one is, it is that one. Said in the sale log."""
    asked = {"id": uuid4(), "event_id": event_id, "actor": actor}
    if connection.execute(_ASK, asked).rowcount:
        sale_log.append(connection, event_id, actor=actor, kind="report_asked", body={"report": str(asked["id"])})
    return _report(connection.execute(_OPEN, asked).one())


def any_due(connection: Connection) -> bool:
    """Whether one waits to be made, or its maker is gone."""
    return bool(connection.execute(_ANY_DUE).scalar_one())


def claim(connection: Connection) -> Report | None:
    """Take the oldest that is due, emptied; None when there is none."""
    row = connection.execute(_CLAIM, {"seconds": LEASE_SECONDS, "attempts": ATTEMPTS_MAX}).one_or_none()
    if row is None:
        connection.execute(_GIVE_UP, {"attempts": ATTEMPTS_MAX})
        return None
    connection.execute(_EMPTY, {"id": row.id})
    return _report(connection.execute(_GET, {"id": row.id}).one())


def put_part(connection: Connection, report: Report, part: int, body: bytes, *, done: int, of: int) -> bool:
    """Keep the next piece, and say how far it is; False when somebody else has taken over."""
    values = {"id": report.id, "attempt": report.attempt, "done": done, "of": of, "seconds": LEASE_SECONDS}
    if not connection.execute(_PROGRESS, values).rowcount:
        return False
    connection.execute(_PUT_PART, {"id": report.id, "part": part, "body": zlib.compress(body)})
    return True


def finish(connection: Connection, report: Report, *, head: str, broken: str, page: str) -> bool:
    """It is ready; old ones go. False when somebody else has taken over."""
    values = {"id": report.id, "attempt": report.attempt, "head": head, "broken": broken, "page": page}
    if not connection.execute(_FINISH, values).rowcount:
        return False
    connection.execute(_FORGET_OLD, {"event_id": report.event_id, "kept": KEPT})
    return True


def fail(connection: Connection, report: Report, *, why: str) -> None:
    """It cannot be made, and trying again would not help."""
    connection.execute(_FAIL, {"id": report.id, "attempt": report.attempt, "why": why})


def of_event(connection: Connection, event_id: EventId) -> tuple[Report, ...]:
    """The event's reports, newest first."""
    rows = connection.execute(_OF_EVENT, {"event_id": event_id, "limit": LISTED_MAX})
    return tuple(_report(row) for row in rows)


def part(connection: Connection, report_id: UUID, number: int) -> bytes | None:
    """A piece of it; None behind the last."""
    body = connection.execute(_PART, {"id": report_id, "part": number}).scalar_one_or_none()
    return None if body is None else zlib.decompress(body)


def page(connection: Connection, report_id: UUID) -> str | None:
    """The page for people; None until it is ready."""
    found: str | None = connection.execute(_PAGE, {"id": report_id}).scalar_one_or_none()
    return found


def _report(row: Row[Any]) -> Report:
    values = {each.name: getattr(row, each.name) for each in fields(Report)}
    return Report(**{**values, "state": ReportState(row.state)})


_ASK = text("""
    INSERT INTO sale_reports (id, event_id, asked_by) VALUES (:id, :event_id, :actor)
        ON CONFLICT (event_id) WHERE state IN ('asked', 'making') DO NOTHING
""")
_OPEN = text("""
    SELECT r.*, (SELECT count(*) FROM sale_report_parts p WHERE p.report_id = r.id) AS parts FROM sale_reports r
     WHERE r.event_id = :event_id AND r.state IN ('asked', 'making')
""")
_GET = text("""
    SELECT r.*, (SELECT count(*) FROM sale_report_parts p WHERE p.report_id = r.id) AS parts FROM sale_reports r
     WHERE r.id = :id
""")
_OF_EVENT = text("""
    SELECT r.*, (SELECT count(*) FROM sale_report_parts p WHERE p.report_id = r.id) AS parts FROM sale_reports r
     WHERE r.event_id = :event_id ORDER BY r.asked_at DESC LIMIT :limit
""")
_ANY_DUE = text("""
    SELECT EXISTS (SELECT FROM sale_reports
                    WHERE state IN ('asked', 'making') AND coalesce(lease_until, '-infinity') < clock_timestamp())
""")
_CLAIM = text("""
    UPDATE sale_reports
       SET state = 'making', attempt = attempt + 1, lines_done = 0, lines_all = 0,
           lease_until = clock_timestamp() + make_interval(secs => :seconds)
     WHERE id = (SELECT id FROM sale_reports
                  WHERE state IN ('asked', 'making') AND coalesce(lease_until, '-infinity') < clock_timestamp()
                    AND attempt < :attempts
                  ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")
_GIVE_UP = text("""
    UPDATE sale_reports
       SET state = 'failed', ended_at = clock_timestamp(), why = 'Whoever made it died, again and again.'
     WHERE state IN ('asked', 'making') AND lease_until < clock_timestamp() AND attempt >= :attempts
""")
_EMPTY = text("DELETE FROM sale_report_parts WHERE report_id = :id")
_PROGRESS = text("""
    UPDATE sale_reports SET lines_done = :done, lines_all = :of,
           lease_until = clock_timestamp() + make_interval(secs => :seconds)
     WHERE id = :id AND attempt = :attempt AND state = 'making'
""")
_PUT_PART = text("INSERT INTO sale_report_parts (report_id, part, body) VALUES (:id, :part, :body)")
_FINISH = text("""
    UPDATE sale_reports SET state = 'ready', head = :head, broken = :broken, page = :page, ended_at = clock_timestamp()
     WHERE id = :id AND attempt = :attempt AND state = 'making'
""")
_FAIL = text("""
    UPDATE sale_reports SET state = 'failed', why = :why, ended_at = clock_timestamp()
     WHERE id = :id AND attempt = :attempt AND state = 'making'
""")
_FORGET_OLD = text("""
    DELETE FROM sale_reports
     WHERE event_id = :event_id AND state IN ('ready', 'failed')
       AND id NOT IN (SELECT id FROM sale_reports WHERE event_id = :event_id ORDER BY asked_at DESC LIMIT :kept)
""")
_PART = text("SELECT body FROM sale_report_parts WHERE report_id = :id AND part = :part")
_PAGE = text("SELECT page FROM sale_reports WHERE id = :id")
