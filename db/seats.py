"""The seat map of an event, and which of its tickets are free: two compact documents.

The map changes only when the organiser changes the house; availability is read about once per second per process.
Both fit a stadium of 65,000: the map names runs of seats instead of seats, availability is one letter per seat.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, text

from onsale.db.catalogue import SectionKind
from onsale.db.ids import EventId, TicketId
from onsale.db.runs import TicketRun, ticket_runs

# The letters of `SectionAvailability.states`.
FREE, HELD, SOLD = "f", "h", "s"


@dataclass(frozen=True, slots=True)
class SeatRun:
    """`count` neighbouring seats of a row: ticket ids and seat numbers both count up by one from the first."""

    row_number: int
    row_name: str
    first_seat: int
    first_ticket: TicketId
    count: int


@dataclass(frozen=True, slots=True)
class SectionMap:
    """A section in the picture. `runs` is in ticket order and empty for general admission, whose tickets are
    `first_ticket` and the `capacity - 1` after it."""

    id: int
    name: str
    kind: SectionKind
    price_minor: int
    capacity: int
    first_ticket: TicketId | None
    map_x: int
    map_y: int
    map_w: int
    map_h: int
    runs: tuple[SeatRun, ...]


@dataclass(frozen=True, slots=True)
class SeatMap:
    """The house of an event; `version` changes when the map does (an ETag)."""

    event_id: EventId
    version: str
    currency: str
    sections: tuple[SectionMap, ...]


@dataclass(frozen=True, slots=True)
class SectionAvailability:
    """Counts of a section; `states` has one letter (f, h, s) per seat in the map's order, "" for general."""

    section_id: int
    free: int
    held: int
    sold: int
    states: str


@dataclass(frozen=True, slots=True)
class Availability:
    """Which tickets are free as of one snapshot of the record; `version` is equal only when nothing has changed."""

    event_id: EventId
    version: str
    free: int
    held: int
    sold: int
    sections: tuple[SectionAvailability, ...]


def seat_map(connection: Connection, event_id: EventId) -> SeatMap | None:
    """The seat map; None when there is no such event."""
    rows = connection.execute(_SECTIONS, {"event_id": event_id}).all()
    if not rows:
        return None
    by_section: dict[int, list[TicketRun]] = defaultdict(list)
    for run in ticket_runs(connection, event_id):
        by_section[run.section_id].append(run)
    sections = tuple(
        SectionMap(
            id=row.id,
            name=row.name,
            kind=SectionKind(row.kind),
            price_minor=row.price_minor,
            capacity=row.capacity,
            first_ticket=min((run.first_ticket for run in by_section[row.id]), default=None),
            map_x=row.map_x,
            map_y=row.map_y,
            map_w=row.map_w,
            map_h=row.map_h,
            runs=tuple(_seat_run(run) for run in by_section[row.id] if row.kind == SectionKind.SEATED),
        )
        for row in rows
        if row.id is not None
    )
    return SeatMap(event_id, _version(sections), rows[0].currency, sections)


def availability(connection: Connection, event_id: EventId) -> Availability:
    """The state of every ticket, in one statement."""
    states: dict[int, str] = defaultdict(str)
    general = set()
    for run in ticket_runs(connection, event_id):
        states[run.section_id] += run.states
        if run.row_number == 0:
            general.add(run.section_id)
    sections = tuple(
        SectionAvailability(
            section_id=section_id,
            free=letters.count(FREE),
            held=letters.count(HELD),
            sold=letters.count(SOLD),
            states="" if section_id in general else letters,
        )
        for section_id, letters in states.items()
    )
    return Availability(
        event_id=event_id,
        version=_version(sections),
        free=sum(section.free for section in sections),
        held=sum(section.held for section in sections),
        sold=sum(section.sold for section in sections),
        sections=sections,
    )


def _seat_run(run: TicketRun) -> SeatRun:
    return SeatRun(run.row_number, run.row_name or "", run.first_seat, run.first_ticket, len(run.states))


def _version(sections: tuple[object, ...]) -> str:
    """A digest of what is shown: equal exactly when nothing has changed, whichever process answers."""
    return hashlib.blake2b(repr(sections).encode(), digest_size=12).hexdigest()


_SECTIONS = text("""
    SELECT e.currency, s.id, s.name, s.kind, s.price_minor, s.capacity, s.map_x, s.map_y, s.map_w, s.map_h
      FROM events e LEFT JOIN sections s ON s.event_id = e.id
     WHERE e.id = :event_id ORDER BY s.id
""")
