"""What an event asks for its tickets and how many one may have, as its staff set it; the lane's next batch obeys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from onsale.db import catalogue, price_schedule, pricing, staff, ticket_limits
from onsale.db.catalogue import Event
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.price_schedule import NewScheduled, Scheduled
from onsale.db.ticket_limits import TicketLimits
from onsale.db.tiers import Tier
from onsale.errors import NotAllowed, NotFound
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice


def prices(office: BoxOffice, event_id: EventId, member: StaffMember) -> Event:
    """The event with its prices, from the record. Raises NotFound for one of another organiser."""
    with reading(office.engine) as connection:
        found = catalogue.event_by_id(connection, event_id)
        if found is None or staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
    return found


def change(
    office: BoxOffice,
    event_id: EventId,
    member: StaffMember,
    *,
    terms: Mapping[str, Any],
    prices_minor: Mapping[int, int],
    tiers_of: Mapping[int, Sequence[Tier]] | None = None,
) -> Event:
    """Change fees, tax, sections' prices and tiers for bookings that are not decided yet, with lines in the sale log.

    Raises NotFound for an event of another organiser, NotAllowed for a viewer, BadRequest naming the field,
    IllegalMove for too many tiers.
    """
    with transaction(office.engine) as connection:
        actor = _checked(connection, event_id, member)
        pricing.change(connection, event_id, terms=terms, prices_minor=prices_minor, tiers_of=tiers_of, actor=actor)
    return prices(office, event_id, member)


def scheduled(office: BoxOffice, event_id: EventId, member: StaffMember) -> tuple[Scheduled, ...]:
    """The prices that are to change, and those that did. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return price_schedule.listed(connection, event_id)


def schedule(office: BoxOffice, event_id: EventId, member: StaffMember, new: NewScheduled) -> Scheduled:
    """Have a price change at a moment to come. Raises NotFound, NotAllowed and what `price_schedule.add` raises."""
    with transaction(office.engine) as connection:
        actor = _checked(connection, event_id, member)
        return price_schedule.add(connection, event_id, new, actor=actor)


def unschedule(office: BoxOffice, event_id: EventId, member: StaffMember, scheduled_id: int) -> Scheduled:
    """Leave the price as it is. Raises NotFound, NotAllowed, IllegalMove."""
    with transaction(office.engine) as connection:
        actor = _checked(connection, event_id, member)
        return price_schedule.cancel(connection, event_id, scheduled_id, actor=actor)


def limits(office: BoxOffice, event_id: EventId, member: StaffMember) -> TicketLimits:
    """How many tickets a card and a network address may have. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return ticket_limits.get(connection, event_id)


def limit(office: BoxOffice, event_id: EventId, member: StaffMember, wanted: Mapping[str, int | None]) -> TicketLimits:
    """Change some of the limits, by name. Raises NotFound, NotAllowed."""
    with transaction(office.engine) as connection:
        actor = _checked(connection, event_id, member)
        return ticket_limits.change(connection, event_id, wanted, actor=actor)


def _checked(connection: Connection, event_id: EventId, member: StaffMember) -> str:
    """Who the sale log says it was. Raises NotFound for an event of another organiser, NotAllowed for a viewer."""
    if staff.of_event(connection, member.id, event_id) is None:
        raise NotFound
    if not member.may_change:
        raise NotAllowed
    return f"staff:{member.id}"
