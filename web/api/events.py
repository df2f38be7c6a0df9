"""Events and tickets: what anybody may read, without a JWT, cacheable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import StringConstraints

from onsale.db.catalogue import Event
from onsale.db.ids import EventId, TicketId
from onsale.db.price_terms import PriceTerms
from onsale.db.tickets import Ticket
from onsale.db.tiers import ShownTier
from onsale.search import TERM_CHARACTERS_MAX
from onsale.web.api.contract import Asked, Routes, Shared, shared
from onsale.web.api.documents import (
    PRINTABLE,
    EventDocument,
    EventPath,
    EventsFound,
    Price,
    PriceAheadDocument,
    PriceTermsDocument,
    SeatDocument,
    SectionDocument,
    TicketDocument,
    TicketPath,
    TierDocument,
    VenueDocument,
    priced,
)
from onsale.web.box_office import box_office
from onsale.web.kept import LIVE

events = Routes("events", "Events and tickets")


class NamePath(Asked):
    """Names events, by id or by a part of the name."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=TERM_CHARACTERS_MAX, pattern=PRINTABLE)]


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
        genre=event.genre,
        organiser=event.organiser_name,
        currency=event.currency,
        tickets_per_buyer=event.tickets_per_buyer,
        tickets_per_card=event.tickets_per_card,
        tickets_per_address=event.tickets_per_address,
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
        sections=section_documents(event),
        code_only_sections=list(event.code_only),
        price_terms=terms_document(event.terms),
        seats_url=f"/v1/events/{event.id}/seats",
        queue_url=f"/v1/events/{event.id}/queue",
    )


def section_documents(event: Event) -> list[SectionDocument]:
    """The sections of an event as the API tells them."""
    return [
        SectionDocument(
            id=section.id,
            name=section.name,
            kind=section.kind,
            price_minor=section.price_minor,
            **priced(event.terms.alone(section.price_minor)),
            each_minor=section.each_minor,
            capacity=section.capacity,
            tiers=tier_documents(section.tiers),
            prices_ahead=[
                PriceAheadDocument(
                    due_at=each.due_at, tier=each.tier, price_minor=each.price_minor, total_minor=each.total_minor
                )
                for each in section.ahead
            ],
        )
        for section in event.sections
    ]


def tier_documents(tiers: Sequence[ShownTier]) -> list[TierDocument]:
    """A section's tiers as the API tells them."""
    return [TierDocument(**tier._asdict()) for tier in tiers]


def terms_document(terms: PriceTerms) -> PriceTermsDocument:
    """Fees and tax as the API tells them."""
    return PriceTermsDocument(**{name: getattr(terms, name) for name in PriceTermsDocument.model_fields})


def ticket_document(ticket: Ticket) -> TicketDocument:
    """A ticket as the API tells it."""
    return TicketDocument(
        ticketId=ticket.id,
        eventId=ticket.event_id,
        eventName=ticket.event_name,
        artists=list(ticket.artists),
        dateTime=ticket.starts_at,
        price=Price(amount_minor=ticket.price_minor, **priced(ticket.bill), currency=ticket.currency),
        tiers=tier_documents(ticket.tiers),
        seats=[SeatDocument(section=ticket.section_name, row=ticket.row_name, seat=ticket.seat_name)],
        state=ticket.state,
    )
