"""Events, venues, artists and sections: what is on sale, read and written; its tickets are made here.

Reads return None for what is not there; whoever needs an error raises NotFound.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson
from sqlalchemy import Connection, TextClause, text

from onsale.db import pricing, sections, sql
from onsale.db.ids import EVENT_ID_MAX, TICKETS_PER_EVENT_MAX, EventId
from onsale.db.price_terms import NO_TERMS, PriceTerms, terms_from_json
from onsale.db.sections import Section as Section  # What an event is made of: imported from here as well.
from onsale.db.sections import SectionKind as SectionKind

LISTING_MAX = 200
MATCHES_MAX = 100


class EventStatus(StrEnum):
    """Only a published event is shown and sold."""

    DRAFT = "draft"
    PUBLISHED = "published"
    CANCELLED = "cancelled"


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
    # What kind of show, in the organiser's word: a filter of the search.
    genre: str = ""
    # Over all bookings paid with one card, whoever made them; None: no limit.
    tickets_per_card: int | None = None
    terms: PriceTerms = NO_TERMS
    # How long tickets are held for who was written a letter because a payment needs them.
    away_pay_seconds: int = 1_800


@dataclass(frozen=True, slots=True)
class NewSection:
    """A block: `rows` of `seats_per_row` numbered seats, or `rows` = 0 and `standing` places. `map_*` place it in the
    picture.

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
    genre: str
    venue: Venue
    artists: tuple[str, ...] = ()
    sections: tuple[Section, ...] = field(default=())
    terms: PriceTerms = NO_TERMS
    tickets_per_card: int | None = None
    tickets_per_address: int | None = None
    # The sections that only a code opens.
    code_only: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class EventListing:
    """What a list shows of an event; prices from the cheapest ticket to the dearest, with all fees and taxes."""

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


def add_organiser(connection: Connection, name: str) -> int:
    """The id of the organiser with this name, made at the first call."""
    connection.execute(_ADD_ORGANISER, {"name": name})
    found: int = connection.execute(_ORGANISER, {"name": name}).scalar_one()
    return found


def put_venue(connection: Connection, venue: Venue) -> None:
    """Write the venue, or bring the one with this id up to date."""
    connection.execute(_PUT_VENUE, asdict(venue))


def add_event(connection: Connection, new: NewEvent) -> EventId:
    """Write an event without sections, with its queue set to scheduled; artists are made where they are new.

    BadRequest names what of its fees and tax does not fit.
    """
    terms = pricing.terms_text(new.terms, new.currency)
    columns = {**asdict(new), "status": new.status.value, "price_terms": terms}
    event_id: int = connection.execute(_ADD_EVENT, columns).scalar_one()
    artists = {"event_id": event_id, "artists": list(new.artists)}
    connection.execute(_ADD_ARTISTS, artists)
    connection.execute(_BILL_ARTISTS, artists)
    connection.execute(_SET_QUEUE, {"event_id": event_id, "opens_at": new.on_sale_at})
    return EventId(event_id)


def add_sections(connection: Connection, event_id: EventId, sections: Sequence[NewSection]) -> int:
    """Write sections and make their tickets, in the database (65,000 in about a second); returns how many tickets.

    Rows are named A, B, ... AA; seats 1, 2, ... Ordinals continue after the tickets the event has. BadRequest for a
    price that the event's currency does not have.
    """
    pricing.check_prices(connection, event_id, [section.price_minor for section in sections])
    ordinal: int = connection.execute(_LAST_ORDINAL, {"event_id": event_id}).scalar_one()
    if ordinal + sum(section.capacity for section in sections) > TICKETS_PER_EVENT_MAX:
        raise ValueError(f"an event has at most {TICKETS_PER_EVENT_MAX} tickets")
    rows = []
    for section in sections:
        rows.append({**asdict(section), "kind": section.kind.value, "capacity": section.capacity, "before": ordinal})
        ordinal += section.capacity
    document = {"event_id": event_id, "sections": orjson.dumps(rows).decode()}
    connection.execute(_ADD_SECTIONS, document)
    return connection.execute(sql.load("add_tickets"), document).rowcount


def set_status(connection: Connection, event_id: EventId, status: EventStatus) -> None:
    """Publish, unpublish or cancel an event."""
    connection.execute(_SET_STATUS, {"event_id": event_id, "status": status.value})


def rename_slug(connection: Connection, event_id: EventId, slug: str) -> None:
    """Give an event another address; the old one becomes free."""
    connection.execute(_RENAME_SLUG, {"event_id": event_id, "slug": slug})


def event_by_id(connection: Connection, event_id: EventId) -> Event | None:
    """The event whatever its status, with sections."""
    return _event(connection, _EVENT_BY_ID, {"event_id": event_id}) if 0 < event_id <= EVENT_ID_MAX else None


def event_by_slug(connection: Connection, slug: str) -> Event | None:
    """The event with this address."""
    return _event(connection, _EVENT_BY_SLUG, {"slug": slug})


def event_named(connection: Connection, id_or_slug: str) -> Event | None:
    """The event a person names by its id or its slug."""
    is_id = id_or_slug.isascii() and id_or_slug.isdecimal() and 0 < int(id_or_slug) <= EVENT_ID_MAX
    return event_by_id(connection, EventId(int(id_or_slug))) if is_id else event_by_slug(connection, id_or_slug)


def matching_events(connection: Connection, name_or_id: str) -> tuple[EventId, ...]:
    """Published events with this id, or whose name is this or contains it (any case); soonest first, at most 100."""
    wanted = name_or_id.strip()
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) <= len(str(EVENT_ID_MAX)) else 0
    if not wanted:
        return ()
    arguments = {"id": number, "name": wanted, "limit": MATCHES_MAX}
    return tuple(EventId(found) for found in connection.execute(_MATCHING, arguments).scalars())


def upcoming(connection: Connection, *, limit: int = 60, after: datetime | None = None) -> tuple[EventListing, ...]:
    """Published shows that have not begun (or begin after `after`), soonest first; at most 200."""
    return _listed(connection, _UPCOMING, {"limit": min(limit, LISTING_MAX), "after": after})


def listings(connection: Connection, ids: Sequence[EventId]) -> tuple[EventListing, ...]:
    """The listings of these events, in this order; unknown and unpublished ones are left out."""
    return _listed(connection, _LISTINGS, {"ids": list(ids)[:LISTING_MAX]})


def of_organiser(connection: Connection, organiser_id: int) -> tuple[EventListing, ...]:
    """The organiser's events whatever their status, soonest first; at most 200."""
    return _listed(connection, _OF_ORGANISER, {"organiser_id": organiser_id, "limit": LISTING_MAX})


def events_of_organisers(connection: Connection, organiser_ids: Collection[int]) -> list[EventId]:
    """The events of these organisers, whatever their status."""
    return [EventId(found) for found in connection.scalars(_OF_ORGANISERS, {"ids": list(organiser_ids)})]


def _event(connection: Connection, statement: TextClause, arguments: dict[str, object]) -> Event | None:
    row = connection.execute(statement, arguments).one_or_none()
    if row is None:
        return None
    terms = terms_from_json(row.price_terms)
    return Event(
        id=row.id,
        organiser_id=row.organiser_id,
        organiser_name=row.organiser_name,
        name=row.name,
        slug=row.slug,
        description=row.description,
        starts_at=row.starts_at,
        on_sale_at=row.on_sale_at,
        currency=row.currency,
        tickets_per_buyer=row.tickets_per_buyer,
        status=EventStatus(row.status),
        genre=row.genre,
        venue=Venue(
            row.venue_id, row.venue_name, row.city, row.country, row.region, row.latitude, row.longitude, row.capacity
        ),
        artists=tuple(row.artists),
        sections=sections.of_event(connection, row.id, terms),
        terms=terms,
        tickets_per_card=row.tickets_per_card,
        tickets_per_address=row.tickets_per_address,
        code_only=tuple(row.code_only_section_ids),
    )


def _listed(connection: Connection, statement: TextClause, arguments: dict[str, object]) -> tuple[EventListing, ...]:
    rows = connection.execute(statement, arguments)
    return tuple(EventListing(**{**row._mapping, "artists": tuple(row.artists)}) for row in rows)


_ADD_ORGANISER = text("INSERT INTO organisers (name) VALUES (:name) ON CONFLICT DO NOTHING")
_ORGANISER = text("SELECT id FROM organisers WHERE name = :name")
_PUT_VENUE = text("""
    INSERT INTO venues (id, name, city, country, region, latitude, longitude, capacity)
    VALUES (:id, :name, :city, :country, :region, :latitude, :longitude, :capacity)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, city = excluded.city, country = excluded.country, region = excluded.region,
        latitude = excluded.latitude, longitude = excluded.longitude, capacity = excluded.capacity
""")
_ADD_EVENT = text("""
    INSERT INTO events (organiser_id, venue_id, name, slug, description, starts_at, on_sale_at, currency,
                        tickets_per_buyer, status, genre, price_terms, tickets_per_card, away_pay_seconds)
    VALUES (:organiser_id, :venue_id, :name, :slug, :description, :starts_at, :on_sale_at, :currency,
            :tickets_per_buyer, :status, :genre, CAST(:price_terms AS jsonb), :tickets_per_card, :away_pay_seconds)
    RETURNING id
""")
_ADD_ARTISTS = text("""
    INSERT INTO artists (name) SELECT DISTINCT unnest(CAST(:artists AS text[])) ON CONFLICT DO NOTHING
""")
_BILL_ARTISTS = text("""
    INSERT INTO event_artists (event_id, artist_id, position)
    SELECT :event_id, a.id, billed.position
      FROM unnest(CAST(:artists AS text[])) WITH ORDINALITY AS billed (name, position)
      JOIN artists a ON a.name = billed.name
    ON CONFLICT DO NOTHING
""")
_SET_QUEUE = text("INSERT INTO queue_settings (event_id, opens_at) VALUES (:event_id, :opens_at)")
_LAST_ORDINAL = text("""
    SELECT coalesce(max(id) & ((1 << 20) - 1), 0) FROM tickets WHERE event_id = :event_id
""")
_ADD_SECTIONS = text("""
    INSERT INTO sections (event_id, id, name, kind, price_minor, capacity, map_x, map_y, map_w, map_h)
    SELECT :event_id, id, name, kind, price_minor, capacity, map_x, map_y, map_w, map_h
      FROM jsonb_to_recordset(CAST(:sections AS jsonb)) AS section (
           id integer, name text, kind text, price_minor bigint, capacity integer,
           map_x integer, map_y integer, map_w integer, map_h integer)
""")
_SET_STATUS = text("UPDATE events SET status = :status WHERE id = :event_id")
_RENAME_SLUG = text("UPDATE events SET slug = :slug WHERE id = :event_id")
_EVENT_BY_ID = text("SELECT * FROM event_pages WHERE id = :event_id")
_EVENT_BY_SLUG = text("SELECT * FROM event_pages WHERE slug = :slug")
_MATCHING = text("""
    SELECT id FROM events
     WHERE status = 'published' AND (id = :id OR strpos(lower(name), lower(:name)) > 0)
     ORDER BY id <> :id, lower(name) <> lower(:name), starts_at, id LIMIT :limit
""")
_UPCOMING = text("""
    SELECT l.* FROM event_listings l JOIN events e ON e.id = l.id
     WHERE e.status = 'published' AND e.starts_at > coalesce(CAST(:after AS timestamptz), now())
     ORDER BY e.starts_at, e.id LIMIT :limit
""")
_LISTINGS = text("""
    SELECT l.* FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS wanted (id, position)
      JOIN event_listings l ON l.id = wanted.id
      JOIN events e ON e.id = l.id
     WHERE e.status = 'published'
     ORDER BY wanted.position
""")
_OF_ORGANISER = text("""
    SELECT l.* FROM event_listings l JOIN events e ON e.id = l.id
     WHERE e.organiser_id = :organiser_id ORDER BY e.starts_at, e.id LIMIT :limit
""")
_OF_ORGANISERS = text("SELECT id FROM events WHERE organiser_id = ANY(:ids)")
