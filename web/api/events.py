"""Events, tickets and search: what anybody may read, without a JWT, cacheable."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from onsale.db.catalogue import Event, Ticket
from onsale.db.ids import EventId, TicketId
from onsale.errors import BadRequest
from onsale.search import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    RADIUS_KM_DEFAULT,
    RADIUS_KM_MAX,
    TERM_CHARACTERS_MAX,
    Hit,
    Near,
    SearchQuery,
    Sort,
)
from onsale.search.when import between
from onsale.web.api.contract import Asked, Routes, Shared, shared
from onsale.web.api.documents import (
    PRINTABLE,
    EventDocument,
    EventPath,
    EventsFound,
    HitDocument,
    Price,
    SearchDocument,
    SeatDocument,
    SectionDocument,
    Term,
    TicketDocument,
    TicketPath,
    VenueDocument,
)
from onsale.web.box_office import box_office
from onsale.web.kept import LIVE

events = Routes("events", "Events and tickets")


class NamePath(Asked):
    """Names events, by id or by a part of the name."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=TERM_CHARACTERS_MAX, pattern=PRINTABLE)]


class SearchAsked(Asked):
    """What to look for; everything given must fit."""

    artist: Term = Field("", description="An artist, or a part of the name.")
    location: Term = Field("", description="A venue, city, country or region.")
    dateTime: Annotated[str, StringConstraints(max_length=60, pattern=PRINTABLE)] = Field(
        "", description="A day (2026-12-24), a month (2026-12), a moment, or a range of these (a..b)."
    )
    q: Term = Field("", description="Any of it.")
    latitude: float | None = Field(None, ge=-90, le=90, description="With longitude: near this place.")
    longitude: float | None = Field(None, ge=-180, le=180)
    radius_km: float = Field(RADIUS_KM_DEFAULT, gt=0, le=RADIUS_KM_MAX, description="How near.")
    sort: Sort = Field(Sort.RELEVANCE, description="What comes first; distance wants a latitude and a longitude.")
    limit: int = Field(PAGE_SIZE_DEFAULT, ge=1, le=PAGE_SIZE_MAX)
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PRINTABLE)] | None = Field(
        None, description="The next_cursor of the page before."
    )


@events.get("/v1/events/{event_id}", statuses=(304,))
def show_event(path: EventPath) -> Shared[EventDocument]:
    """An event"""
    return shared(event_document(box_office().shows.event(EventId(path.event_id))))


@events.get("/v1/event={name}", statuses=(304,))
def find_events(path: NamePath) -> Shared[EventsFound]:
    """The ids of the events with this id or name"""
    return shared(EventsFound(event_ids=list(box_office().shows.matching(path.name))))


@events.get("/v1/tickets/{ticket_id}", statuses=(304,))
def show_ticket(path: TicketPath) -> Shared[TicketDocument]:
    """A ticket"""
    return shared(ticket_document(box_office().shows.ticket(TicketId(path.ticket_id))), LIVE)


@events.get("/v1/ticket={ticket_id}", statuses=(304,))
def find_ticket(path: TicketPath) -> Shared[TicketDocument]:
    """A ticket, by the address the API began with"""
    return shared(ticket_document(box_office().shows.ticket(TicketId(path.ticket_id))), LIVE)


@events.get("/v1/search", statuses=(304, 422))
def search_events(query: SearchAsked) -> Shared[SearchDocument]:
    """Find events"""
    page = box_office().shows.search(
        SearchQuery(
            artist=query.artist,
            location=query.location,
            text=query.q,
            when=between(query.dateTime) if query.dateTime else None,
            near=_near(query),
            sort=query.sort,
            page_size=query.limit,
            cursor=query.cursor,
        )
    )
    document = SearchDocument(events=[_hit(hit) for hit in page.hits], total=page.total, next_cursor=page.next_cursor)
    return shared(document)


def _near(query: SearchAsked) -> Near | None:
    if query.latitude is None and query.longitude is None:
        return None
    if query.latitude is None or query.longitude is None:
        raise BadRequest("Give both.", field="latitude" if query.latitude is None else "longitude")
    return Near(query.latitude, query.longitude, query.radius_km)


def event_document(event: Event) -> EventDocument:
    """An event as the API tells it."""
    venue = event.venue
    return EventDocument(
        id=event.id,
        name=event.name,
        slug=event.slug,
        description=event.description,
        starts_at=event.starts_at,
        on_sale_at=event.on_sale_at,
        status=event.status,
        organiser=event.organiser_name,
        currency=event.currency,
        tickets_per_buyer=event.tickets_per_buyer,
        artists=list(event.artists),
        venue=VenueDocument(
            id=venue.id,
            name=venue.name,
            city=venue.city,
            country=venue.country,
            region=venue.region,
            latitude=venue.latitude,
            longitude=venue.longitude,
        ),
        sections=[
            SectionDocument(
                id=section.id,
                name=section.name,
                kind=section.kind,
                price_minor=section.price_minor,
                capacity=section.capacity,
            )
            for section in event.sections
        ],
        seats_url=f"/v1/events/{event.id}/seats",
        queue_url=f"/v1/events/{event.id}/queue",
    )


def ticket_document(ticket: Ticket) -> TicketDocument:
    """A ticket as the API tells it."""
    return TicketDocument(
        ticketId=ticket.id,
        eventId=ticket.event_id,
        eventName=ticket.event_name,
        artists=list(ticket.artists),
        dateTime=ticket.starts_at,
        price=Price(amount_minor=ticket.price_minor, currency=ticket.currency),
        seats=[SeatDocument(section=ticket.section_name, row=ticket.row_name, seat=ticket.seat_name)],
        state=ticket.state,
    )


def _hit(hit: Hit) -> HitDocument:
    return HitDocument(
        event_id=hit.event_id,
        name=hit.name,
        slug=hit.slug,
        starts_at=hit.starts_at,
        on_sale_at=hit.on_sale_at,
        venue=hit.venue,
        city=hit.city,
        country=hit.country,
        artists=list(hit.artists),
        currency=hit.currency,
        price_min_minor=hit.price_min_minor,
        price_max_minor=hit.price_max_minor,
    )
