"""What the queue did, copied from Redis into the record: who joined under which number, what was admitted, how far it was.

Recovery reads it back when Redis is lost. Everything may be written twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

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
    """One run of the queue: numbers `first`..`last` were passed, `admitted` of them let in, those in `passed` were absent.

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
    """Write joins; returns those that contradict the record (another buyer has the number, or the buyer another number)."""
    raise NotImplementedError


def record_admissions(connection: Connection, event_id: EventId, admissions: Sequence[Admission]) -> int:
    """Write runs of the queue; returns how many were new."""
    raise NotImplementedError


def put_checkpoint(connection: Connection, checkpoint: Checkpoint) -> None:
    """Remember how far the queue is; an older or lower one changes nothing."""
    raise NotImplementedError


def last_checkpoint(connection: Connection, event_id: EventId) -> Checkpoint | None:
    """How far the queue was when it was last written down."""
    raise NotImplementedError


def joins_after(connection: Connection, event_id: EventId, number: int, *, limit: int = PAGE_MAX) -> tuple[Join, ...]:
    """Joins with a higher number than this, in order: page through them to rebuild the queue."""
    raise NotImplementedError


def number_of(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> int | None:
    """The number a buyer has according to the record."""
    raise NotImplementedError


def admitted_total(connection: Connection, event_id: EventId) -> int:
    """How many were admitted, returns included."""
    raise NotImplementedError


def admissions_after(
    connection: Connection, event_id: EventId, seq: int, *, limit: int = PAGE_MAX
) -> tuple[Admission, ...]:
    """Runs of the queue after this one, in order."""
    raise NotImplementedError
