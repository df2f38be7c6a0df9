"""Writes shows to the record and puts them on sale: events, sections, every single ticket, and how their queue is set.

Set-based throughout: the stadium's 65,000 tickets are one INSERT of the database's own making.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from onsale.db.ids import TICKETS_PER_EVENT_BITS, EventId
from onsale.sandbox.catalogue import Part, Show

ORGANISER_ID = 1
TICKETS_PER_BUYER = 6

# The demo's dial stands here: a hundred and fifty people ahead are two and a half minutes.
DEMO_RATE_PER_MINUTE = 60
OPENS_SOON_SECONDS = 65
# Every fourth of the usual shows is announced, and goes on sale a while before it plays.
ANNOUNCED_EVERY = 4
ON_SALE_BEFORE_SHARE = 3
# The sandbox's crowd comes from one address.
ADDRESS_LIMIT = 100_000


@dataclass(frozen=True)
class QueuePlan:
    """How an event's queue is set when it goes on sale."""

    enabled: bool
    phase: str
    rate_per_minute: int
    max_active: int


@dataclass(frozen=True)
class Sale:
    """One event to be put on sale."""

    event_id: EventId
    show: Show
    slug: str
    starts_at: datetime
    opens_at: datetime
    queue: QueuePlan


_QUEUES = {
    Part.USUAL: QueuePlan(True, "open", 600, 400),
    Part.ARENA: QueuePlan(True, "scheduled", 1_200, 2_000),
    Part.STADIUM: QueuePlan(True, "scheduled", 3_000, 5_000),
    Part.QUIET: QueuePlan(False, "open", 600, 400),
    Part.SOLD_OUT: QueuePlan(True, "open", 600, 400),
    Part.SELLING_NOW: QueuePlan(True, "open", DEMO_RATE_PER_MINUTE, 400),
    Part.OPENS_SOON: QueuePlan(True, "pre_queue", DEMO_RATE_PER_MINUTE, 400),
}
_OPENS_IN = {
    Part.ARENA: timedelta(days=3),
    Part.STADIUM: timedelta(days=10),
    Part.OPENS_SOON: timedelta(seconds=OPENS_SOON_SECONDS),
}
_ON_SALE_SINCE = timedelta(hours=1)


def sale_of(show: Show, event_id: EventId, *, now: datetime, evening: datetime | None = None) -> Sale:
    """When and how a show goes on sale; most are on sale already, some are announced."""
    starts_at = evening or show.starts_at(now)
    queue = _QUEUES[show.part]
    opens_at = now + _OPENS_IN.get(show.part, -_ON_SALE_SINCE)
    if show.part is Part.USUAL and show.id % ANNOUNCED_EVERY == 0:
        opens_at = now + (starts_at - now) / ON_SALE_BEFORE_SHARE
        queue = QueuePlan(True, "scheduled", queue.rate_per_minute, queue.max_active)
    return Sale(event_id, show, show.slug, starts_at, opens_at, queue)


def put_on_sale(connection: Connection, sales: Sequence[Sale]) -> int:
    """Write the events that are not there yet, with all that belongs to them; returns how many tickets were made."""
    written = set(connection.execute(_INSERT_EVENTS, {"events": _json(map(_event, sales))}).scalars())
    fresh = [sale for sale in sales if sale.event_id in written]
    if not fresh:
        return 0
    connection.execute(_INSERT_BILLING, {"artists": _json(_billing(fresh))})
    connection.execute(_INSERT_SECTIONS, {"sections": _json(_sections(fresh))})
    connection.execute(_INSERT_SETTINGS, {"settings": _json(map(_settings, fresh))})
    made = connection.execute(_INSERT_TICKETS, {"sections": _json(_sections(fresh)), "id_bits": TICKETS_PER_EVENT_BITS})
    return made.rowcount


def _json(rows: Iterable[dict[str, object]]) -> str:
    return json.dumps(list(rows), default=lambda moment: moment.isoformat())


def _event(sale: Sale) -> dict[str, object]:
    return {
        "id": sale.event_id,
        "organiser_id": ORGANISER_ID,
        "venue_id": sale.show.venue.id,
        "name": sale.show.name,
        "slug": sale.slug,
        "description": sale.show.description,
        "starts_at": sale.starts_at,
        "on_sale_at": sale.opens_at,
        "currency": sale.show.currency,
        "tickets_per_buyer": TICKETS_PER_BUYER,
    }


def _billing(sales: Sequence[Sale]) -> list[dict[str, object]]:
    return [
        {"event_id": sale.event_id, "artist": artist, "position": position}
        for sale in sales
        for position, artist in enumerate(sale.show.artists, start=1)
    ]


def _sections(sales: Sequence[Sale]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for sale in sales:
        before = 0
        for plan in sale.show.sections():
            rows.append(
                {
                    "event_id": sale.event_id,
                    "id": plan.id,
                    "name": plan.name,
                    "kind": plan.kind,
                    "price_minor": plan.price_minor,
                    "capacity": plan.capacity,
                    "seats_per_row": plan.seats_per_row,
                    "tickets_before": before,
                    "map_x": plan.box.x,
                    "map_y": plan.box.y,
                    "map_w": plan.box.w,
                    "map_h": plan.box.h,
                }
            )
            before += plan.capacity
    return rows


def _settings(sale: Sale) -> dict[str, object]:
    return {
        "event_id": sale.event_id,
        "enabled": sale.queue.enabled,
        "phase": sale.queue.phase,
        "opens_at": sale.opens_at,
        "rate_per_minute": sale.queue.rate_per_minute,
        "max_active": sale.queue.max_active,
        "address_limit": ADDRESS_LIMIT,
    }


# Raw, because each takes any number of rows in one round trip, from one JSON parameter.
_INSERT_EVENTS = text("""
    INSERT INTO events (id, organiser_id, venue_id, name, slug, description, starts_at, on_sale_at, currency,
                        tickets_per_buyer, status)
    SELECT id, organiser_id, venue_id, name, slug, description, starts_at, on_sale_at, currency,
           tickets_per_buyer, 'published'
      FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS event (
           id bigint, organiser_id bigint, venue_id integer, name text, slug text, description text,
           starts_at timestamptz, on_sale_at timestamptz, currency text, tickets_per_buyer integer)
    ON CONFLICT DO NOTHING
    RETURNING id
""")
_INSERT_BILLING = text("""
    INSERT INTO event_artists (event_id, artist_id, position)
    SELECT billed.event_id, artists.id, billed.position
      FROM jsonb_to_recordset(CAST(:artists AS jsonb)) AS billed (event_id bigint, artist text, position integer)
      JOIN artists ON artists.name = billed.artist
""")
_INSERT_SECTIONS = text("""
    INSERT INTO sections (event_id, id, name, kind, price_minor, capacity, map_x, map_y, map_w, map_h)
    SELECT event_id, id, name, kind, price_minor, capacity, map_x, map_y, map_w, map_h
      FROM jsonb_to_recordset(CAST(:sections AS jsonb)) AS section (
           event_id bigint, id integer, name text, kind text, price_minor bigint, capacity integer,
           map_x integer, map_y integer, map_w integer, map_h integer)
""")
# Rows are lettered A to Z, then AA, AB, ...; a standing place has neither row nor seat.
_INSERT_TICKETS = text("""
    INSERT INTO tickets (event_id, id, section_id, row_number, row_name, seat_number, seat_name, state)
    SELECT section.event_id,
           (section.event_id << :id_bits) | (section.tickets_before + place),
           section.id,
           seat.row_number,
           CASE WHEN seat.row_number > 26 THEN 'A' || chr(38 + seat.row_number) ELSE chr(64 + seat.row_number) END,
           seat.seat_number,
           seat.seat_number::text,
           'free'
      FROM jsonb_to_recordset(CAST(:sections AS jsonb)) AS section (
           event_id bigint, id integer, kind text, capacity integer, seats_per_row integer, tickets_before integer)
     CROSS JOIN LATERAL generate_series(1, section.capacity) AS place
     CROSS JOIN LATERAL (
           SELECT CASE WHEN section.kind = 'seated' THEN (place - 1) / section.seats_per_row + 1 END AS row_number,
                  CASE WHEN section.kind = 'seated' THEN (place - 1) % section.seats_per_row + 1 END AS seat_number
           ) AS seat
""")
_INSERT_SETTINGS = text("""
    INSERT INTO queue_settings (event_id, enabled, phase, opens_at, rate_per_minute, max_active, address_limit)
    SELECT event_id, enabled, phase, opens_at, rate_per_minute, max_active, address_limit
      FROM jsonb_to_recordset(CAST(:settings AS jsonb)) AS setting (
           event_id bigint, enabled boolean, phase text, opens_at timestamptz, rate_per_minute integer,
           max_active integer, address_limit integer)
""")
