"""Puts one show of the sample catalogue on sale: the event, its blocks, every ticket, and how its queue is set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from onsale.db import catalogue, queue_settings
from onsale.db.catalogue import NewEvent
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.sandbox.catalogue import Part, Show

ACTOR = "seed"
TICKETS_PER_BUYER = 6

# The demo's dial stands here: a hundred and fifty people ahead are two and a half minutes.
DEMO_RATE_PER_MINUTE = 60
# The door says 60; the rest is what the screen takes to appear.
OPENS_SOON_SECONDS = 65
# Every fourth of the usual shows is announced, and goes on sale after a third of the time until it plays.
ANNOUNCED_EVERY = 4
ANNOUNCED_SHARE = 3
ON_SALE_SINCE = timedelta(hours=1)
# The sandbox's crowd comes from one address.
ADDRESS_LIMIT = 100_000


@dataclass(frozen=True)
class QueuePlan:
    """How a queue is set when its show goes on sale, and when that is, counted from now."""

    enabled: bool = True
    phase: Phase = Phase.OPEN
    rate_per_minute: int = 600
    max_active: int = 400
    opens_in: timedelta = -ON_SALE_SINCE


PLANS = {
    Part.USUAL: QueuePlan(),
    Part.ARENA: QueuePlan(phase=Phase.SCHEDULED, rate_per_minute=1_200, max_active=2_000, opens_in=timedelta(days=3)),
    Part.STADIUM: QueuePlan(
        phase=Phase.SCHEDULED, rate_per_minute=3_000, max_active=5_000, opens_in=timedelta(days=10)
    ),
    Part.QUIET: QueuePlan(enabled=False),
    Part.SOLD_OUT: QueuePlan(),
    Part.SELLING_NOW: QueuePlan(rate_per_minute=DEMO_RATE_PER_MINUTE),
    Part.OPENS_SOON: QueuePlan(
        phase=Phase.PRE_QUEUE,
        rate_per_minute=DEMO_RATE_PER_MINUTE,
        opens_in=timedelta(seconds=OPENS_SOON_SECONDS),
    ),
}


def plan_of(show: Show, *, now: datetime, starts_at: datetime) -> QueuePlan:
    """The queue of a show: most are on sale already, some are announced."""
    if show.part is Part.USUAL and show.id % ANNOUNCED_EVERY == 0:
        return QueuePlan(phase=Phase.SCHEDULED, opens_in=(starts_at - now) / ANNOUNCED_SHARE)
    return PLANS[show.part]


def put_on_sale(
    connection: Connection, show: Show, *, organiser_id: int, now: datetime, starts_at: datetime
) -> EventId:
    """Write the show with all its tickets under its address, which must be free; returns the new event's id."""
    plan = plan_of(show, now=now, starts_at=starts_at)
    opens_at = now + plan.opens_in
    event_id = catalogue.add_event(
        connection,
        NewEvent(
            organiser_id=organiser_id,
            venue_id=show.venue.id,
            name=show.name,
            slug=show.slug,
            description=show.description,
            starts_at=starts_at,
            on_sale_at=opens_at,
            currency=show.currency,
            tickets_per_buyer=TICKETS_PER_BUYER,
            artists=show.artists,
            genre=show.genre,
            terms=show.terms,
        ),
    )
    catalogue.add_sections(connection, event_id, show.sections())
    queue_settings.change(
        connection,
        event_id,
        QueueChange(
            enabled=plan.enabled,
            phase=plan.phase,
            opens_at=opens_at,
            rate_per_minute=plan.rate_per_minute,
            max_active=plan.max_active,
            address_limit=ADDRESS_LIMIT,
        ),
        actor=ACTOR,
    )
    return event_id


def take_off_sale(connection: Connection, event_id: EventId, *, slug: str) -> None:
    """Close an event's queue and free its address; what was sold stays sold, and its history stays."""
    catalogue.rename_slug(connection, event_id, f"{slug}-{event_id}")
    queue_settings.change(connection, event_id, QueueChange(phase=Phase.CLOSED), actor=ACTOR)
