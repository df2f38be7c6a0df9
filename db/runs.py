"""Reading a house from the record: runs of neighbouring tickets, for the seat map, for availability and for the
allocator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from onsale.db import sql
from onsale.db.house import Run
from onsale.db.ids import TICKETS_PER_EVENT_MAX, EventId, TicketId

MARK_BYTES = 11


@dataclass(frozen=True, slots=True)
class TicketRun:
    """Tickets of one row whose ids and seat numbers both count up by one; `states` has a letter (f, h, s) for each.

    Row 0 is general admission, whose places are counted from 1.
    """

    section_id: int
    row_number: int
    row_name: str | None
    first_seat: int
    first_ticket: TicketId
    states: str

    def as_free(self) -> Run:
        """The form the allocator keeps: seat `first_seat + n` is free when bit n is set."""
        bits = self.states.translate(_FREE_BITS)[::-1]
        return Run(self.row_number, self.first_seat, self.first_ticket, len(self.states), int(bits, 2))


_FREE_BITS = str.maketrans("fhs", "100")


@dataclass(frozen=True, slots=True)
class MarkedRun:
    """Tickets whose ids count up by one, with the eleven bytes of each (`db/sql/ticket_marks.sql` says which)."""

    section_id: int
    general: bool
    first_ordinal: int
    count: int
    marks: bytes


def ticket_runs(
    connection: Connection, event_id: EventId, section_ids: Iterable[int] | None = None
) -> Iterator[TicketRun]:
    """The runs of these sections (None: of all), by section, row and seat, as of one statement."""
    wanted = None if section_ids is None else list(section_ids)
    rows = connection.execute(sql.load("ticket_runs"), {"event_id": event_id, "section_ids": wanted})
    for section_id, row_number, row_name, first_seat, first_ticket, states, ids in rows:
        for start, end in _islands(ids) if ids else ((0, len(states)),):
            first = ids[start] if ids else first_ticket
            yield TicketRun(
                section_id, row_number, row_name, first_seat + first - first_ticket, first, states[start:end]
            )


def marked_runs(connection: Connection, event_id: EventId) -> Iterator[MarkedRun]:
    """Every ticket of the house in the order of the seat map, as of one statement."""
    rows = connection.execute(sql.load("ticket_marks"), {"event_id": event_id})
    for section_id, row_number, first_ticket, marks, ids in rows:
        for start, end in _islands(ids) if ids else ((0, len(marks) // MARK_BYTES),):
            first = ids[start] if ids else first_ticket
            some = bytes(marks[start * MARK_BYTES : end * MARK_BYTES])
            yield MarkedRun(section_id, row_number == 0, first & TICKETS_PER_EVENT_MAX, end - start, some)


def _islands(ids: list[int]) -> Iterator[tuple[int, int]]:
    """Where ascending ids have no gap: (first, one after the last) positions."""
    start = 0
    for position in range(1, len(ids) + 1):
        if position == len(ids) or ids[position] != ids[position - 1] + 1:
            yield start, position
            start = position
