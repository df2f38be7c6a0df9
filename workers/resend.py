"""Sends the wake-ups that got lost: the record knows what should be under way, the broker may have forgotten it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from onsale.db import charges, lane, letters, locks
from onsale.db import engine as record
from onsale.db.ids import BookingId, EventId
from onsale.errors import QueueRecovering, QueueUnavailable
from onsale.queue.state import Phase
from onsale.queue.status import derived_phase
from onsale.workers import follow_up
from onsale.workers.shop import Shop

# A lane that is alive decides within a fraction of this.
LOST_SECONDS = 2.0
# A booking that waits longer than this for its decision is told to the queue again, so that it keeps its slot.
UNDECIDED_SECONDS = 30.0
EVENTS_MAX = 500
BOOKINGS_MAX = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Resent:
    """What was woken once more."""

    lanes: tuple[EventId, ...] = ()
    payments: tuple[BookingId, ...] = ()
    mail: bool = False


def resend(shop: Shop, *, older_than_seconds: float = LOST_SECONDS) -> Resent:
    """Wake every lane and every payment that should have moved by now, and whoever sends letters when any is due.

    A second copy at the same time does nothing.
    """
    with record.transaction(shop.engine) as connection:
        if not locks.try_alone(connection, "resend"):
            return Resent()
        late = [
            one.event_id for one in lane.with_work(connection, older_than_seconds=older_than_seconds, limit=EVENTS_MAX)
        ]
        waiting = lane.with_waiting(connection, limit=EVENTS_MAX)
        unpaid = charges.unpaid_with_card(connection, older_than_seconds=older_than_seconds, limit=BOOKINGS_MAX)
        undecided = lane.undecided(connection, older_than_seconds=UNDECIDED_SECONDS)
        mail = letters.any_due(connection)
    lanes = tuple(dict.fromkeys([*late, *_admitted(shop, waiting)]))
    for event_id in lanes:
        shop.wakes.wake_lane(event_id)
    shop.wakes.wake_authorise(unpaid)
    follow_up.undecided(shop, undecided)
    if mail:
        shop.wakes.wake_mail()
    if lanes or unpaid:
        log.info("resent", lanes=len(lanes), payments=len(unpaid))
    return Resent(lanes, unpaid, mail)


def _admitted(shop: Shop, events: Iterable[EventId]) -> list[EventId]:
    """Those of the events that have a hands-free booking whose turn has come, or will never come: it is sold out."""
    found = []
    for event_id in events:
        try:
            queue = shop.store.snapshot(event_id)
        except (QueueUnavailable, QueueRecovering):
            continue
        if derived_phase(queue) is Phase.SOLD_OUT:
            found.append(event_id)
            continue
        with record.reading(shop.engine) as connection:
            if lane.any_queued(connection, event_id, serving=queue.serving, return_serving=queue.return_serving):
                found.append(event_id)
    return found
