"""Reading for the pages: one show, the front page; how its sales stand is two seconds old at most."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, current_app

from onsale.db import catalogue, queue_settings
from onsale.db.catalogue import Event, EventListing
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.errors import OnsaleError
from onsale.web.box_office import EXTENSION, BoxOffice, box_office
from onsale.web.copies import Copies
from onsale.web.pages import sales
from onsale.web.pages.sales import Sale

FRONT_SECONDS = 2.0
# Running sales whose queues the front page looks at, every two seconds at most.
LOOKED_AT_MAX = 60
FEATURED_MAX = 3
FRONT_EXTENSION = "onsale.front"


@dataclass(frozen=True)
class Card:
    """A show in a list; `phase` is None where its queue was not looked at."""

    id: int
    name: str
    starts_at: datetime
    place: str
    currency: str
    price_min_minor: int | None
    price_max_minor: int | None


@dataclass(frozen=True)
class Featured(Card):
    """A show whose sale runs or opens soon, with its queue."""

    sale: Sale


@dataclass(frozen=True)
class Front:
    """The front page; `phases` are those of every running sale, by event."""

    selling: tuple[Featured, ...]
    soon: tuple[Featured, ...]
    coming: tuple[Card, ...]
    phases: Mapping[int, str]


def register(app: Flask) -> None:
    """Open the copy of the front page; nothing is read before somebody asks."""
    office: BoxOffice = app.extensions[EXTENSION]
    app.extensions[FRONT_EXTENSION] = Copies(lambda _: _read_sales(office), name="front", every_seconds=FRONT_SECONDS)


def front() -> Front:
    """What the front page shows: sales as they stood a moment ago, shows with their prices as they are."""
    copies: Copies[str, dict[EventId, Sale]] = current_app.extensions[FRONT_EXTENSION]
    looked, listed = copies.get("front"), box_office().shows
    featured = [Featured(**vars(_card(one)), sale=looked[one.id]) for one in listed.listings(tuple(looked))]
    selling = sorted((one for one in featured if one.sale.phase == "open" and one.sale.waiting), key=_crowd_first)
    soon = sorted((one for one in featured if one.sale.opens_soon), key=lambda one: one.sale.opens_at)
    return Front(
        tuple(selling[:FEATURED_MAX]),
        tuple(soon[:FEATURED_MAX]),
        tuple(map(_card, listed.coming())),
        {one.id: one.sale.phase for one in featured},
    )


def _crowd_first(featured: Featured) -> int:
    return -featured.sale.waiting


def event(event_id: int) -> Event:
    """A show that may be seen. Raises NotFound for others, drafts among them."""
    return box_office().shows.event(EventId(event_id))


def featured_by_slug(slug: str) -> Featured | None:
    """A show by its address, with its queue as it stands; None when there is none, or its queue does not answer."""
    office = box_office()
    with reading(office.engine) as connection:
        event = catalogue.event_by_slug(connection, slug)
        listed = catalogue.listings(connection, [event.id]) if event else ()
    sale = sales.sale_if_known(office, listed[0].id) if listed else None
    return Featured(**vars(_card(listed[0])), sale=sale) if sale else None


def _read_sales(office: BoxOffice) -> dict[EventId, Sale]:
    """How the queues of running sales stand."""
    with reading(office.engine) as connection:
        running = queue_settings.running(connection, limit=LOOKED_AT_MAX)
    looked = {}
    for settings in running:
        # A queue that does not answer is left out; the front page comes all the same.
        with suppress(OnsaleError):
            looked[settings.event_id] = sales.sale(office, settings.event_id)
    return looked


def _card(listing: EventListing) -> Card:
    return Card(
        listing.id,
        listing.name,
        listing.starts_at,
        f"{listing.venue_name}, {listing.city}",
        listing.currency,
        listing.price_min_minor,
        listing.price_max_minor,
    )
