"""What the queue did, copied from Redis into the record: who joined under which number, what was admitted, how far it
was.

Recovery reads it back when Redis is lost. Everything may be written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, text

from onsale.db import sql
from onsale.db.ids import BuyerId, EventId

PAGE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Join:
    """A buyer took a number."""

    number: int
    buyer_id: BuyerId
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """One run of the queue: numbers `first`..`last` were passed, `admitted` of them let in, those in `passed` were
    absent.

    0 for first and last: none of that kind. `seq` is the queue's own counter, and makes a second write harmless.
    """

    seq: int
    at: datetime
    first: int
    last: int
    return_first: int
    return_last: int
    admitted: int
    passed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the queue was at a moment of Redis' clock; all only grow."""

    event_id: EventId
    serving: int
    return_serving: int
    issued: int
    return_issued: int
    at: datetime


def record_joins(connection: Connection, event_id: EventId, joins: Sequence[Join]) -> tuple[Join, ...]:
    """Write joins; returns those that contradict the record: the number is another buyer's."""
    if not joins:
        return ()
    arguments = {
        "event_id": event_id,
        "numbers": [join.number for join in joins],
        "buyers": [str(join.buyer_id) for join in joins],
        "moments": [join.joined_at for join in joins],
    }
    connection.execute(_RECORD_JOINS, arguments)
    # A statement of its own: it must see what a twin wrote while ours was waiting.
    known = set(connection.execute(_KNOWN_JOINS, arguments).scalars())
    return tuple(join for join in joins if join.number not in known)


def record_admissions(connection: Connection, event_id: EventId, admissions: Sequence[Admission]) -> int:
    """Write runs of the queue; returns how many were new."""
    if not admissions:
        return 0
    rows = [{**asdict(one), "event_id": event_id} for one in admissions]
    return connection.execute(sql.load("record_admissions"), {"rows": orjson.dumps(rows).decode()}).rowcount


def put_checkpoint(connection: Connection, checkpoint: Checkpoint) -> None:
    """Remember how far the queue is; numbers never go back, and an older one than the record's changes nothing."""
    connection.execute(_PUT_CHECKPOINT, asdict(checkpoint))


def last_checkpoint(connection: Connection, event_id: EventId) -> Checkpoint | None:
    """How far the queue was when it was last written down."""
    row = connection.execute(_LAST_CHECKPOINT, {"event_id": event_id}).one_or_none()
    return Checkpoint(*row) if row else None


def joins_after(connection: Connection, event_id: EventId, number: int, *, limit: int = PAGE_MAX) -> tuple[Join, ...]:
    """Numbers above this one with their holders now, in order: page through them to rebuild the queue."""
    rows = connection.execute(_JOINS_AFTER, {"event_id": event_id, "number": number, "limit": min(limit, PAGE_MAX)})
    return tuple(Join(*row) for row in rows)


def is_given(connection: Connection, event_id: EventId, number: int) -> bool:
    """Whether somebody has this number according to the record."""
    return bool(connection.execute(_IS_GIVEN, {"event_id": event_id, "number": number}).scalar_one())


def number_of(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> int | None:
    """The number a buyer has now according to the record."""
    number: int | None = connection.execute(_NUMBER_OF, {"event_id": event_id, "buyer_id": buyer_id}).scalar()
    return number


def admitted_total(connection: Connection, event_id: EventId) -> int:
    """How many were admitted, returns included."""
    total: int = connection.execute(_ADMITTED_TOTAL, {"event_id": event_id}).scalar_one()
    return total


def admissions_after(
    connection: Connection, event_id: EventId, seq: int, *, limit: int = PAGE_MAX
) -> tuple[Admission, ...]:
    """Runs of the queue after this one, in order."""
    rows = connection.execute(_ADMISSIONS_AFTER, {"event_id": event_id, "seq": seq, "limit": min(limit, PAGE_MAX)})
    return tuple(
        Admission(**{**row._mapping, "passed": tuple((first, last) for first, last in row.passed)}) for row in rows
    )


_RECORD_JOINS = text("""
    INSERT INTO join_journal (event_id, number, buyer_id, joined_at)
    SELECT :event_id, *
      FROM unnest(CAST(:numbers AS bigint[]), CAST(:buyers AS uuid[]), CAST(:moments AS timestamptz[]))
    ON CONFLICT DO NOTHING
""")
_KNOWN_JOINS = text("""
    SELECT j.number FROM join_journal j
      JOIN unnest(CAST(:numbers AS bigint[]), CAST(:buyers AS uuid[])) AS asked (number, buyer_id)
        ON j.number = asked.number AND j.buyer_id = asked.buyer_id
     WHERE j.event_id = :event_id
""")
_PUT_CHECKPOINT = text("""
    INSERT INTO queue_checkpoints (event_id, serving, return_serving, issued, return_issued, at)
    VALUES (:event_id, :serving, :return_serving, :issued, :return_issued, :at)
    ON CONFLICT (event_id) DO UPDATE SET
        serving = greatest(queue_checkpoints.serving, excluded.serving),
        return_serving = greatest(queue_checkpoints.return_serving, excluded.return_serving),
        issued = greatest(queue_checkpoints.issued, excluded.issued),
        return_issued = greatest(queue_checkpoints.return_issued, excluded.return_issued),
        at = excluded.at
     WHERE queue_checkpoints.at <= excluded.at
""")
_LAST_CHECKPOINT = text("""
    SELECT event_id, serving, return_serving, issued, return_issued, at FROM queue_checkpoints
     WHERE event_id = :event_id
""")
_JOINS_AFTER = text("""
    SELECT number, buyer_id, joined_at FROM numbers_held
     WHERE event_id = :event_id AND number > :number ORDER BY number LIMIT :limit
""")
_IS_GIVEN = text("SELECT EXISTS (SELECT FROM join_journal WHERE event_id = :event_id AND number = :number)")
_NUMBER_OF = text("SELECT min(number) FROM numbers_held WHERE event_id = :event_id AND buyer_id = :buyer_id")
_ADMITTED_TOTAL = text("SELECT coalesce(sum(admitted), 0) FROM admission_log WHERE event_id = :event_id")
_ADMISSIONS_AFTER = text("""
    SELECT seq, at, first, last, return_first, return_last, admitted, passed FROM admission_log
     WHERE event_id = :event_id AND seq > :seq ORDER BY seq LIMIT :limit
""")
