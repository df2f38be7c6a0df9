"""What an event asks for its tickets, as its staff set it: seen within a second, obeyed by the lane's next batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onsale.db import catalogue, pricing, staff
from onsale.db.catalogue import Event
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
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
) -> Event:
    """Change fees, tax and sections' prices for bookings that are not decided yet, with lines in the sale log.

    Raises NotFound for an event of another organiser, NotAllowed for a viewer, BadRequest naming the field.
    """
    with transaction(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        if not member.may_change:
            raise NotAllowed
        actor = f"staff:{member.id}"
        pricing.change(connection, event_id, terms=terms, prices_minor=prices_minor, actor=actor)
    return prices(office, event_id, member)
