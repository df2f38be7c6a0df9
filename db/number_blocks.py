"""Blocks of queue numbers reserved in the record before Redis may give them out, so that no number is ever given
twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import EventId
from onsale.errors import NumbersExhausted

BLOCK_MAX = 1_000_000
NUMBER_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """Numbers `first` to `last`, both included."""

    first: int
    last: int


def reserve(connection: Connection, event_id: EventId, size: int, *, at: datetime | None = None) -> NumberBlock:
    """The next `size` numbers, from 1; never overlaps another block. NumbersExhausted beyond NUMBER_MAX.

    `at`: when it was, of a queue that is told afterwards; else now.

    Several processes may ask at once: they take turns by locking the event.
    """
    if not 1 <= size <= BLOCK_MAX:
        raise ValueError(f"a block has 1 to {BLOCK_MAX} numbers, not {size}")
    connection.execute(_TAKE_TURNS, {"event_id": event_id})
    first = last_reserved(connection, event_id) + 1
    block = NumberBlock(first, first + size - 1)
    if block.last > NUMBER_MAX:
        raise NumbersExhausted
    connection.execute(_RESERVE, {"event_id": event_id, "first": block.first, "last": block.last, "at": at})
    return block


def last_reserved(connection: Connection, event_id: EventId) -> int:
    """The highest number ever reserved; 0 when there is none."""
    last: int = connection.execute(_LAST, {"event_id": event_id}).scalar_one()
    return last


_TAKE_TURNS = text("SELECT FROM events WHERE id = :event_id FOR NO KEY UPDATE")
_LAST = text("SELECT coalesce(max(last), 0) FROM number_blocks WHERE event_id = :event_id")
_RESERVE = text("""
    INSERT INTO number_blocks (event_id, first, last, reserved_at)
    VALUES (:event_id, :first, :last, coalesce(CAST(:at AS timestamptz), clock_timestamp()))
""")
