"""Opens a queue whose numbers are drawn: closes the entries at the opening, holds the draw once its beacon is there.

However many joined, it is the same few writes: how many they are, the key, and the queue's phase. Every step may be
taken twice, by anybody.
"""

from __future__ import annotations

import structlog

from onsale.db import draws
from onsale.db import engine as record
from onsale.db.ids import EventId
from onsale.errors import NotInQueue
from onsale.queue.draw import draw_key
from onsale.workers import given_up
from onsale.workers.shop import Shop

log = structlog.get_logger(__name__)


def open_by_draw(shop: Shop, event_id: EventId) -> bool:
    """Go as far as can be gone now; True when this call held the draw.

    Raises QueueUnavailable and QueueRecovering, with nothing written: the next round tries again.
    """
    with record.transaction(shop.engine) as connection:
        if draws.closing_due(connection, event_id):
            try:
                size = shop.store.close_entries(event_id)
            except NotInQueue:
                # It has not heard of the draw; whoever admits tells it in this round.
                return False
            draws.close_entries(connection, event_id, size=size)
            log.info("draw_entries_closed", event_id=event_id, size=size)
    with record.transaction(shop.engine) as connection:
        draw = draws.get(connection, event_id)
        if draw is None or draw.size is None or draw.beacon is None or draw.key is not None:
            return False
        key = draw_key(draw.seed, draw.beacon, draw.size)
        held = draws.hold(connection, event_id, key=key, size=draw.size, beacon=draw.beacon)
    if held:
        log.info("draw_held", event_id=event_id, size=draw.size)
        with record.reading(shop.engine) as connection:
            given_up.tell_queue(shop, connection, event_id)
    return held
