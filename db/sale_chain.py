"""The chained log of a sale: whatever is new in the record becomes a line, and lines are closed in hashed batches.

Nobody who sells writes here. One chainer (`workers/chaining.py`) reads what was committed since it last looked, by
snapshots as in decision 0057: neither moments nor transactions' ids come in the order of commits.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy import Row as SqlRow

from onsale.db import chain_lines, sql
from onsale.db.chain_lines import Batch
from onsale.db.ids import EventId

LINES_MAX = 2_000
BATCHES_MAX = 2**62
BATCHES_PAGE = 100
# Sees no transaction at all.
NOTHING_SEEN = "3:3:"
KEY_BYTES = 32
# Of a row whose booking is gone, which no code of ours does: one damaged booking must not end everybody's log.
UNREADABLE: dict[str, object] = {"unreadable": True}
# A look that found nothing is not worth a write, until so many transactions have come.
TRANSACTIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """Names the row that a line tells of: a move, a capture, a run of the queue, a log line, a step of a refund."""

    source: str
    event_id: EventId
    id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Fact:
    """What is on record of a row."""

    at: str
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class Chained:
    """A line as it was chained."""

    position: int
    row: Row
    line: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is new, oldest first, and the snapshot that sees it; `more`: there was no room for all."""

    rows: tuple[Row, ...]
    seen: str
    more: bool


def seen(connection: Connection) -> str:
    """What the chainer has seen. On another server than before (a dump that was restored) ids of transactions begin
    anew: then nothing counts as seen, and what has a line is told apart by its key.
    """
    row = connection.execute(_READER).one_or_none()
    return NOTHING_SEEN if row is None or row.origin != _origin(connection) else str(row.seen)


def find(connection: Connection, *, seen_before: str, limit: int = LINES_MAX) -> Found:
    """Rows that became visible since `seen_before` and have no line."""
    connection.execute(_BY_INDEX)
    written_from = int(seen_before.partition(":")[0])
    arguments = {"seen": seen_before, "written_from": written_from, "limit": limit}
    rows = connection.execute(sql.load("find_unchained"), arguments).all()
    now = next(row.seen for row in rows if row.seen is not None)
    found = tuple(Row(row.source, EventId(row.event_id), row.id, row.number) for row in rows if row.seen is None)
    return Found(found, now, more=len(found) == limit)


def is_worth_a_note(seen_before: str, found: Found) -> bool:
    """Whether to remember this look: with nothing new the next one may as well start from where this one did."""
    before, after = (int(snapshot.split(":")[0]) for snapshot in (seen_before, found.seen))
    return bool(found.rows) or after - before > TRANSACTIONS_MAX


def remember(connection: Connection, snapshot: str) -> None:
    """Everything that this snapshot sees has a line."""
    connection.execute(_REMEMBER, {"seen": snapshot, "origin": _origin(connection)})


def facts(connection: Connection, rows: Sequence[Row]) -> dict[Row, Fact]:
    """What is on record of each of these rows; one that is not there is left out."""
    arguments = {
        "sources": [row.source for row in rows],
        "events": [row.event_id for row in rows],
        "ids": [str(row.id) for row in rows],
        "numbers": [row.number for row in rows],
    }
    found = connection.execute(sql.load("chain_facts"), arguments)
    return {Row(each.source, EventId(each.event_id), each.id, each.number): Fact(each.at, each.facts) for each in found}


def append(connection: Connection, rows: Sequence[Row]) -> tuple[Batch, ...]:
    """A line for each of these rows, in a batch for each event, closed at once."""
    known = facts(connection, rows)
    closed: list[Batch] = []
    lines: list[Chained] = []
    at: str = connection.execute(_NOW).scalar_one()
    for event_id, of_event in groupby(sorted(rows, key=lambda row: row.event_id), key=lambda row: row.event_id):
        last, key = head(connection, event_id), key_of(connection, event_id)
        fresh = [
            Chained(position, row, line_of(row, known.get(row, Fact(at, UNREADABLE)), position=position, key=key))
            for position, row in enumerate(of_event, start=(last.last if last else 0) + 1)
        ]
        closed.append(chain_lines.close(event_id, [each.line for each in fresh], after=last, at=at))
        lines += fresh
    _write(connection, closed, lines)
    return tuple(closed)


def line_of(row: Row, fact: Fact, *, position: int, key: bytes) -> str:
    """The line that a row gives at this position."""
    return chain_lines.line(row.source, fact.facts, at=fact.at, position=position, key=key)


def head(connection: Connection, event_id: EventId) -> Batch | None:
    """The newest batch of an event: its hash stands for everything before it."""
    row = connection.execute(_HEAD, {"event_id": event_id}).one_or_none()
    return _batch(row) if row else None


def batches(connection: Connection, event_id: EventId, *, after: int, up_to: int = BATCHES_MAX) -> list[Batch]:
    """Batches after this one, oldest first; at most a page."""
    arguments = {"event_id": event_id, "after": after, "up_to": up_to, "limit": BATCHES_PAGE}
    return [_batch(row) for row in connection.execute(_BATCHES, arguments)]


def lines(connection: Connection, event_id: EventId, *, first: int, last: int) -> Iterator[Chained]:
    """The lines at these positions, in order, read as they come."""
    found = connection.execute(_LINES, {"event_id": event_id, "first": first, "last": last})
    for position, source, row_id, number, line in found:
        yield Chained(position, Row(source, event_id, row_id, number), line)


def lines_of(connection: Connection, event_id: EventId, booking_id: UUID) -> list[tuple[int, int, str]]:
    """(position, batch, line) of the lines that tell of this booking: its moves, its payment, its refunds."""
    found = connection.execute(_LINES_OF, {"event_id": event_id, "id": booking_id})
    return [(row.position, row.batch, row.line) for row in found]


def log_lines(connection: Connection, event_id: EventId) -> int:
    """How many lines of what was done to the sale are chained: they are numbered from 1."""
    return int(connection.execute(_LOG_LINES, {"event_id": event_id, "id": chain_lines.NO_ID}).scalar_one())


def key_of(connection: Connection, event_id: EventId) -> bytes:
    """What the event's pseudonyms are made with; made up at its first line."""
    arguments = {"event_id": event_id, "key": secrets.token_bytes(KEY_BYTES)}
    connection.execute(_MAKE_KEY, arguments)
    return bytes(connection.execute(_KEY, arguments).scalar_one())


def known_key(connection: Connection, event_id: EventId) -> bytes | None:
    """The same where there is one."""
    key = connection.execute(_KEY, {"event_id": event_id}).scalar_one_or_none()
    return None if key is None else bytes(key)


def _write(connection: Connection, closed: Sequence[Batch], lines: Sequence[Chained]) -> None:
    arguments = {
        "events": [each.row.event_id for each in lines],
        "positions": [each.position for each in lines],
        "sources": [each.row.source for each in lines],
        "ids": [str(each.row.id) for each in lines],
        "numbers": [each.row.number for each in lines],
        "lines": [each.line for each in lines],
    }
    connection.execute(_WRITE_LINES, arguments)
    for batch in closed:
        connection.execute(_WRITE_BATCH, asdict(batch))


def _batch(row: SqlRow[Any]) -> Batch:
    # The driver gives bytes as a view of memory.
    previous, hashed = bytes(row.previous), bytes(row.hash)
    return Batch(row.event_id, row.seq, row.first, row.last, row.at, row.marks, previous, hashed)


def _origin(connection: Connection) -> str:
    return str(connection.execute(_ORIGIN).scalar_one())


# Without statistics the planner reads a whole history to find the newest hundred rows of it.
# And a look in the background takes no second core.
_BY_INDEX = text("""
    SELECT set_config('enable_seqscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)
""")
_READER = text("SELECT seen::text AS seen, origin FROM sale_chain_reader")
_REMEMBER = text("""
    INSERT INTO sale_chain_reader (seen, origin) VALUES (CAST(:seen AS pg_snapshot), :origin)
        ON CONFLICT (one_row) DO UPDATE SET seen = excluded.seen, origin = excluded.origin
""")
# Which server counts transactions here, and which database of it: a copy of a record goes on under another one.
_ORIGIN = text("""
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                     (SELECT oid FROM pg_database WHERE datname = current_database()), 'bookings'::regclass::oid)
""")
_NOW = text("""SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""")
_BATCH = "event_id, seq, first, last, at, marks, previous, hash FROM sale_chain_batches WHERE event_id = :event_id"
_HEAD = text(f"SELECT {_BATCH} ORDER BY seq DESC LIMIT 1")
_BATCHES = text(f"SELECT {_BATCH} AND seq > :after AND seq <= :up_to ORDER BY seq LIMIT :limit")
_LINES = text("""
    SELECT position, source, id, number, line FROM sale_chain_lines
     WHERE event_id = :event_id AND position BETWEEN :first AND :last ORDER BY position
""")
_LINES_OF = text("""
    SELECT l.position, l.line,
           (SELECT min(b.seq) FROM sale_chain_batches b WHERE b.event_id = l.event_id AND b.last >= l.position) AS batch
      FROM sale_chain_lines l
     WHERE l.event_id = :event_id
       AND (l.source IN ('move', 'capture') AND l.id = :id OR l.source = 'refund' AND l.id IN (
            SELECT r.id FROM refunds r WHERE r.event_id = :event_id AND r.booking_id = :id))
     ORDER BY l.position
""")
_LOG_LINES = text("""
    SELECT coalesce(max(number), 0) FROM sale_chain_lines WHERE event_id = :event_id AND source = 'log' AND id = :id
""")
_MAKE_KEY = text("INSERT INTO sale_chain_keys (event_id, key) VALUES (:event_id, :key) ON CONFLICT DO NOTHING")
_KEY = text("SELECT key FROM sale_chain_keys WHERE event_id = :event_id")
_WRITE_LINES = text("""
    INSERT INTO sale_chain_lines (event_id, position, source, id, number, line)
    SELECT * FROM unnest(CAST(:events AS bigint[]), CAST(:positions AS bigint[]), CAST(:sources AS text[]),
                         CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:lines AS text[]))
""")
_WRITE_BATCH = text("""
    INSERT INTO sale_chain_batches (event_id, seq, first, last, at, marks, previous, hash)
    VALUES (:event_id, :seq, :first, :last, :at, :marks, :previous, :hash)
""")
