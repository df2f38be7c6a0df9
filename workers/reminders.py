"""Writes to whoever asked for it: some minutes before a sale opens, and some minutes before their turn."""

from __future__ import annotations

import structlog

from onsale.db import buyer_letters, reminders
from onsale.db import engine as record
from onsale.db.ids import EventId
from onsale.db.letters import LetterKind
from onsale.errors import QueueRecovering, QueueUnavailable
from onsale.queue.status import pace_per_minute
from onsale.workers.shop import Shop

# A letter says it once; the occasion makes a second one of it impossible.
ONCE = "once"

log = structlog.get_logger(__name__)


def sweep(shop: Shop) -> int:
    """Write what is due; how many letters. Each reminder and its letter are one transaction."""
    written = sum(_write(shop, event_id, in_time=in_time) for event_id, in_time in _openings(shop))
    written += sum(_write_turns(shop, event_id) for event_id in _with_turns(shop))
    if written:
        shop.wakes.wake_mail()
        log.info("reminders_written", letters=written)
    return written


def _openings(shop: Shop) -> list[tuple[EventId, bool]]:
    with record.reading(shop.engine) as connection:
        return list(reminders.openings_near(connection))


def _with_turns(shop: Shop) -> list[EventId]:
    with record.reading(shop.engine) as connection:
        return reminders.with_turns(connection)


def _write(shop: Shop, event_id: EventId, *, in_time: bool) -> int:
    """A reminder that comes after the opening would only tell somebody that they missed it."""
    with record.transaction(shop.engine) as connection:
        told = reminders.take_openings(connection, event_id)
        to = [(one, ONCE) for one in told] if in_time else []
        return buyer_letters.write(connection, event_id, LetterKind.SALE_OPENS, to)


def _write_turns(shop: Shop, event_id: EventId) -> int:
    try:
        queue = shop.store.snapshot(event_id)
    except (QueueUnavailable, QueueRecovering):
        return 0
    pace = pace_per_minute(queue)
    if queue.recovering or pace <= 0:
        return 0
    up_to = queue.serving + pace * reminders.AHEAD_SECONDS // 60
    with record.transaction(shop.engine) as connection:
        told = reminders.take_turns(connection, event_id, serving=queue.serving, up_to=up_to)
        return buyer_letters.write(connection, event_id, LetterKind.TURN_NEAR, [(one, ONCE) for one in told])
