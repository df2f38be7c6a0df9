"""Blocks of queue numbers reserved in the record before Redis may give them out, so that no number is ever given twice."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from onsale.db.ids import EventId

BLOCK_MAX = 1_000_000
NUMBER_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """Numbers `first` to `last`, both included."""

    first: int
    last: int


def reserve(connection: Connection, event_id: EventId, size: int) -> NumberBlock:
    """The next `size` numbers, from 1; never overlaps another block. NumbersExhausted beyond NUMBER_MAX."""
    raise NotImplementedError


def last_reserved(connection: Connection, event_id: EventId) -> int:
    """The highest number ever reserved; 0 when there is none."""
    raise NotImplementedError
