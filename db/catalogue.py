"""Events, venues, artists, sections and tickets: what is on sale, read and written.

Reads return None for what is not there; whoever needs an error raises NotFound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from onsale.db.ids import EventId, TicketId

LISTING_MAX = 200
MATCHES_MAX = 100


class EventStatus(StrEnum):
    """Only a published event is shown and sold."""

    DRAFT = "draft"
    PUBLISHED = "published"
    CANCELLED = "cancelled"


class SectionKind(StrEnum):
    """Numbered seats, or places without a number; each unit of both is a ticket of its own."""

    SEATED = "seated"
    GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Venue:
    """A place; coordinates in degrees, `country` as ISO 3166 alpha-2."""

    id: int
    name: str
    city: str
    country: str
    region: str
    latitude: float
    longitude: float
    capacity: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A show to be written; artists are added by name, in the order of the poster."""

    organiser_id: int
    venue_id: int
    name: str
    slug: str
    description: str
    starts_at: datetime
    on_sale_at: datetime
    currency: str
    tickets_per_buyer: int
    artists: tuple[str, ...]
    status: EventStatus = EventStatus.PUBLISHED


@dataclass(frozen=True, slots=True)
class NewSection:
    """A block: `rows` of `seats_per_row` numbered seats, or `rows` = 0 and `standing` places. `map_*` place it in the picture.

    The order of the sections' ids is the organiser's: best first.
    """

    id: int
    name: str
    price_minor: int
    rows: int = 0
    seats_per_row: int = 0
    standing: int = 0
    map_x: int = 0
    map_y: int = 0
    map_w: int = 0
    map_h: int = 0

    @property
    def kind(self) -> SectionKind:
        return SectionKind.SEATED if self.rows else SectionKind.GENERAL

    @property
    def capacity(self) -> int:
        return self.rows * self.seats_per_row + self.standing


@dataclass(frozen=True, slots=True)
class Section:
    """A block of an event, as on sale."""

    id: int
    name: str
    kind: SectionKind
    price_minor: int
    capacity: int
    map_x: int
    map_y: int
    map_w: int
    map_h: int


@dataclass(frozen=True, slots=True)
class Event:
    """A show with its venue, artists and sections (in the organiser's order)."""

    id: EventId
    organiser_id: int
    organiser_name: str
    name: str
    slug: str
    description: str
    starts_at: datetime
    on_sale_at: datetime
    currency: str
    tickets_per_buyer: int
    status: EventStatus
    venue: Venue
    artists: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class EventListing:
    """What a list shows of an event; prices from the cheapest to the dearest section."""

    id: EventId
    name: str
    slug: str
    starts_at: datetime
    on_sale_at: datetime
    venue_name: str
    city: str
    country: str
    artists: tuple[str, ...]
    currency: str
    price_min_minor: int | None
    price_max_minor: int | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket as it stands; `row_name` and `seat_name` are None for general admission. `state`: free, held or sold."""

    id: TicketId
    event_id: EventId
    event_name: str
    starts_at: datetime
    artists: tuple[str, ...]
    section_id: int
    section_name: str
    row_name: str | None
    seat_name: str | None
    price_minor: int
    currency: str
    state: str


def add_organiser(connection: Connection, name: str) -> int:
    """The id of the organiser with this name, made at the first call."""
    raise NotImplementedError


def put_venue(connection: Connection, venue: Venue) -> None:
    """Write the venue, or bring the one with this id up to date."""
    raise NotImplementedError


def add_event(connection: Connection, new: NewEvent) -> EventId:
    """Write an event without sections; its artists are made where they are new. Slugs are unique."""
    raise NotImplementedError


def add_sections(connection: Connection, event_id: EventId, sections: Sequence[NewSection]) -> int:
    """Write sections and make their tickets, in the database (65,000 in about a second); returns how many tickets.

    Rows are named A, B, ... AA; seats 1, 2, ... Ordinals continue after the tickets the event has.
    """
    raise NotImplementedError


def set_status(connection: Connection, event_id: EventId, status: EventStatus) -> None:
    """Publish, unpublish or cancel an event."""
    raise NotImplementedError


def rename_slug(connection: Connection, event_id: EventId, slug: str) -> None:
    """Give an event another address; the old one becomes free."""
    raise NotImplementedError


def event_by_id(connection: Connection, event_id: EventId) -> Event | None:
    """The event whatever its status, with sections."""
    raise NotImplementedError


def event_by_slug(connection: Connection, slug: str) -> Event | None:
    """The event with this address."""
    raise NotImplementedError


def matching_events(connection: Connection, name_or_id: str) -> tuple[EventId, ...]:
    """Published events with this id, or whose name is this or contains it (any case); soonest first, at most 100."""
    raise NotImplementedError


def ticket_by_id(connection: Connection, ticket_id: TicketId) -> Ticket | None:
    """A ticket of a published event."""
    raise NotImplementedError


def upcoming(connection: Connection, *, limit: int = 60, after: datetime | None = None) -> tuple[EventListing, ...]:
    """Published shows that have not begun (or begin after `after`), soonest first; at most 200."""
    raise NotImplementedError


def listings(connection: Connection, ids: Sequence[EventId]) -> tuple[EventListing, ...]:
    """The listings of these events, in this order; unknown and unpublished ones are left out."""
    raise NotImplementedError


def of_organiser(connection: Connection, organiser_id: int) -> tuple[EventListing, ...]:
    """The organiser's events whatever their status, soonest first; at most 200."""
    raise NotImplementedError
