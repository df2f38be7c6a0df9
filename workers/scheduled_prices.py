"""Prices that change by themselves are put in force where no lane came first, so that everybody tells them."""

from __future__ import annotations

import structlog

from onsale.db import engine as record
from onsale.db import price_schedule
from onsale.workers.shop import Shop

ROUNDS_MAX = 10

log = structlog.get_logger(__name__)


def sweep_prices(shop: Shop) -> int:
    """Apply what is due, an event at a time; how many prices. Who comes second finds none."""
    with record.reading(shop.engine) as connection:
        events = price_schedule.events_due(connection)
    applied = 0
    for event_id in events:
        for _ in range(ROUNDS_MAX):
            with record.transaction(shop.engine) as connection:
                done = price_schedule.apply_due(connection, event_id)
            applied += len(done)
            if done:
                log.info("scheduled_prices_applied", event_id=event_id, prices=len(done))
            if len(done) < price_schedule.APPLIED_MAX:
                break
    return applied
