"""Raises the alarm about bookings that are stuck: once for each, with what to do."""

from __future__ import annotations

import structlog

from onsale.db import engine as record
from onsale.db import locks, stuck
from onsale.db.stuck import RULES, Stuck
from onsale.workers.shop import Shop

# Of each kind, the longest stuck. Where more are, the house stands still, and these say enough.
EACH_MAX = 100

log = structlog.get_logger(__name__)


def watch(shop: Shop) -> tuple[Stuck, ...]:
    """Log what is newly stuck, and write it into the sale log; a second copy at the same time does nothing."""
    with record.reading(shop.engine) as connection:
        found = stuck.find(connection, each=EACH_MAX)
    if not found.listed:
        return ()
    with record.transaction(shop.engine) as connection:
        fresh = stuck.note(connection, found.listed) if locks.try_alone(connection, "stuck") else ()
    for one in fresh:
        log.error(
            stuck.LOGGED_AS,
            event_id=one.event_id,
            booking_id=str(one.booking_id),
            kind=one.kind.value,
            state=one.state.value,
            seconds=round(one.seconds),
            says=RULES[one.kind].says,
            do=RULES[one.kind].do,
        )
    return fresh
