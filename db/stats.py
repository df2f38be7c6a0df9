"""Numbers about a sale, from the record: stock by section, the oldest undecided booking, bookings and payments by state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from onsale.db.ids import EventId
from onsale.db.states import BookingState


@dataclass(frozen=True, slots=True)
class SectionStock:
    """How the tickets of a section stand."""

    section_id: int
    name: str
    price_minor: int
    free: int
    held: int
    sold: int


@dataclass(frozen=True, slots=True)
class Stock:
    """How the tickets of an event stand, in one snapshot; sections in the organiser's order."""

    free: int
    held: int
    sold: int
    sections: tuple[SectionStock, ...]


@dataclass(frozen=True, slots=True)
class SaleNumbers:
    """What the console shows of a sale besides the queue. `takings_minor` is what was captured, in the event's currency."""

    stock: Stock
    bookings: Mapping[BookingState, int]
    sold_last_minute: int
    decided_last_minute: int
    takings_minor: int
    currency: str
    oldest_undecided_seconds: float | None


def stock(connection: Connection, event_id: EventId) -> Stock:
    """Free, held and sold by section, in one statement."""
    raise NotImplementedError


def oldest_undecided_seconds(connection: Connection, event_id: EventId | None = None) -> float | None:
    """The age of the oldest booking that is queued and not decided, where selling is on; None when there is none."""
    raise NotImplementedError


def bookings_by_state(connection: Connection, event_id: EventId | None = None) -> Mapping[BookingState, int]:
    """How many bookings are in each state."""
    raise NotImplementedError


def attempts_by_outcome(connection: Connection, event_id: EventId | None = None) -> Mapping[str, int]:
    """How many cards ended how; the words of `charges.AttemptOutcome`."""
    raise NotImplementedError


def sale_numbers(connection: Connection, event_id: EventId) -> SaleNumbers:
    """The console's numbers for one event."""
    raise NotImplementedError
