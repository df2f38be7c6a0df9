"""Cancelled events: their bookings end, and everyone who paid is refunded, a few at a time, until nothing is left.

Nothing is remembered from one sweep to the next: killed anywhere, the next one reads in the record what is left.
"""

from __future__ import annotations

from uuid import uuid4

import structlog

from onsale.db import cancellations, holds, locks, refund_requests
from onsale.db import engine as record
from onsale.db.ids import BookingId, EventId
from onsale.db.refund_requests import Wanted
from onsale.db.refunds import RefundReason
from onsale.errors import IllegalMove, NotFound, TicketCheckedIn
from onsale.workers import follow_up
from onsale.workers.shop import Shop

REASON = "event_cancelled"
ENDED_MAX = 500
ENDING_ROUNDS_MAX = 20
PAYING_MAX = 200
# Under way at once for one event: the payments of other sales stand in the same line.
REFUNDS_AT_ONCE = 50

log = structlog.get_logger(__name__)


def sweep_cancelled(shop: Shop, *, settled_seconds: float = cancellations.SETTLED_SECONDS) -> int:
    """Carry every cancelled event on; how many are still under way. A second copy may run beside it."""
    with record.reading(shop.engine) as connection:
        events = cancellations.under_way(connection)
    return sum(not carry_on(shop, event_id, settled_seconds=settled_seconds) for event_id in events)


def carry_on(
    shop: Shop,
    event_id: EventId,
    *,
    settled_seconds: float = cancellations.SETTLED_SECONDS,
    at_once: int = REFUNDS_AT_ONCE,
) -> bool:
    """One round for this event; True when nothing is left to do."""
    _end_unpaid(shop, event_id)
    _end_paying(shop, event_id)
    with record.reading(shop.engine) as connection:
        owed = cancellations.to_refund(connection, event_id, at_once=at_once)
    for booking_id in owed:
        _refund(shop, booking_id)
    with record.transaction(shop.engine) as connection:
        done = cancellations.finish(connection, event_id, settled_seconds=settled_seconds)
    if done:
        log.info("event_cancelled", event_id=event_id)
    return done


def _end_unpaid(shop: Shop, event_id: EventId) -> None:
    for _ in range(ENDING_ROUNDS_MAX):
        with record.transaction(shop.engine) as connection:
            # Alone: two who end the same bookings would wait for each other.
            if not locks.try_alone(connection, f"cancel {event_id}"):
                return
            released = holds.cancel_unpaid_of(connection, event_id, reason=REASON, limit=ENDED_MAX)
        follow_up.released(shop, released)
        if len(released) < ENDED_MAX:
            return


def _end_paying(shop: Shop, event_id: EventId) -> None:
    """What a card is being charged for ends through the provider; what was sold in between is refunded."""
    with record.reading(shop.engine) as connection:
        paying = cancellations.paying(connection, event_id, limit=PAYING_MAX)
    for booking_id in paying:
        with record.transaction(shop.engine) as connection:
            holds.begin_voiding(connection, booking_id, reason=REASON)
        shop.wakes.wake_resume(booking_id)


def _refund(shop: Shop, booking_id: BookingId) -> None:
    """In a transaction of its own, all that is left of it; nothing is kept when the show does not take place."""
    wanted = Wanted(uuid4(), RefundReason.EVENT_CANCELLED, "event")
    try:
        with record.transaction(shop.engine) as connection:
            asked = refund_requests.request(connection, booking_id, wanted)
    except (IllegalMove, TicketCheckedIn, NotFound):
        # A refund was asked for, or somebody was let in, meanwhile: the next round sees what is left.
        return
    shop.ticket_cache.clear(asked.refund.event_id, asked.freed)
    shop.wakes.wake_refund(booking_id)
    shop.wakes.wake_mail()
