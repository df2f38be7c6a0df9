"""The seat map of an event, and which of its tickets are free: two compact documents.

The map changes only when the organiser changes the house; availability is read about once per second per process.
Both fit a stadium of 65,000: the map names runs of seats instead of seats, availability is one letter per seat.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from onsale.db.catalogue import SectionKind
from onsale.db.ids import EventId, TicketId

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
    """Counts of a section; `states` has one letter (f, h, s) per seat in the order of the map's runs, "" for general."""

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
    raise NotImplementedError


def availability(connection: Connection, event_id: EventId) -> Availability:
    """The state of every ticket, in one statement."""
    raise NotImplementedError
