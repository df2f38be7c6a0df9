"""Prices that change by themselves at a moment to come: set by staff, listed, and cancelled before they are due."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from onsale.db.ids import EventId
from onsale.db.price_schedule import NewScheduled, Scheduled
from onsale.errors import BadRequest, IllegalMove, NoSuchTier, NotAllowed, PriceUnpayable
from onsale.web import pricing
from onsale.web.api.bookings import TierName
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PLAIN, EventPath, GivenMoment, Moment
from onsale.web.api.prices import Amount, SectionNumber
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

scheduled_prices = Routes("scheduled_prices", "Running a sale")

_PRIVATE = {"Cache-Control": "no-store"}


class ScheduledPath(EventPath):
    """Names a price that is to change."""

    scheduled_id: Annotated[int, Field(ge=1, le=(1 << 63) - 1), PLAIN]


class ScheduleBody(Asked):
    """What a ticket of the section, or of a tier of it, costs from `due_at` on, before what the terms add."""

    section_id: SectionNumber
    tier: TierName | None = None
    price_minor: Amount
    due_at: GivenMoment


class ScheduledDocument(Told):
    """A price from `due_at` on. `outcome` null: it waits; `applied`, `cancelled`, or `not_sold`: its tier was gone."""

    id: int
    section_id: int
    tier: str | None
    price_minor: int
    due_at: Moment
    asked_by: str
    asked_at: Moment
    outcome: str | None
    ended_at: Moment | None


class ScheduledDocuments(Told):
    """What waits, soonest first, then what has ended, newest first."""

    scheduled: list[ScheduledDocument]


@scheduled_prices.get("/v1/admin/events/{event_id}/scheduled-prices")
def list_scheduled_prices(path: EventPath, staff: StaffMember) -> Answer[ScheduledDocuments]:
    """The prices that are to change, and those that did"""
    found = pricing.scheduled(box_office(), EventId(path.event_id), staff)
    return Answer(ScheduledDocuments(scheduled=[_document(each) for each in found]), headers=_PRIVATE)


@scheduled_prices.post(
    "/v1/admin/events/{event_id}/scheduled-prices",
    answers={201: ScheduledDocument},
    raises=(NotAllowed, BadRequest, IllegalMove, NoSuchTier, PriceUnpayable),
)
def schedule_price(path: EventPath, body: ScheduleBody, staff: StaffMember) -> Answer[ScheduledDocument]:
    """Have a price change at a moment to come; the same asked twice is one

    What counts for a booking is the price at its hold, by the record's clock.
    """
    new = NewScheduled(body.section_id, body.tier, body.price_minor, body.due_at)
    return Answer(_document(pricing.schedule(box_office(), EventId(path.event_id), staff, new)), 201, _PRIVATE)


@scheduled_prices.delete(
    "/v1/admin/events/{event_id}/scheduled-prices/{scheduled_id}", raises=(NotAllowed, IllegalMove)
)
def cancel_scheduled_price(path: ScheduledPath, staff: StaffMember) -> Answer[ScheduledDocument]:
    """Leave the price as it is"""
    ended = pricing.unschedule(box_office(), EventId(path.event_id), staff, path.scheduled_id)
    return Answer(_document(ended), headers=_PRIVATE)


def _document(one: Scheduled) -> ScheduledDocument:
    return ScheduledDocument(**{name: getattr(one, name) for name in ScheduledDocument.model_fields})
