"""How many tickets of an event one card pays for, and one network address may have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from onsale.db.ids import EventId
from onsale.db.ticket_limits import LIMIT_MAX, TicketLimits
from onsale.errors import NotAllowed
from onsale.web import pricing
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import WHOLE, EventPath
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

ticket_limits = Routes("ticket_limits", "Running a sale")

Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX), WHOLE]
_PRIVATE = {"Cache-Control": "no-store"}


class LimitsBody(Asked):
    """What to change; what is left out stays, and null is no limit."""

    tickets_per_card: Limit | None = None
    tickets_per_address: Limit | None = None


class LimitsDocument(Told):
    """The limits over all bookings, beside the one per buyer; null: none. An IPv6 /64 is one address."""

    tickets_per_card: int | None
    tickets_per_address: int | None


@ticket_limits.get("/v1/admin/events/{event_id}/limits")
def show_limits(path: EventPath, staff: StaffMember) -> Answer[LimitsDocument]:
    """How many tickets one card and one network address may have"""
    return _told(pricing.limits(box_office(), EventId(path.event_id), staff))


@ticket_limits.patch("/v1/admin/events/{event_id}/limits", raises=(NotAllowed,))
def change_limits(path: EventPath, body: LimitsBody, staff: StaffMember) -> Answer[LimitsDocument]:
    """Change them; tickets that somebody has stay theirs"""
    wanted = body.model_dump(exclude_unset=True)
    return _told(pricing.limit(box_office(), EventId(path.event_id), staff, wanted))


def _told(limits: TicketLimits) -> Answer[LimitsDocument]:
    document = LimitsDocument(tickets_per_card=limits.tickets_per_card, tickets_per_address=limits.tickets_per_address)
    return Answer(document, headers=_PRIVATE)
