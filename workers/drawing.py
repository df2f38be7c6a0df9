"""Opens a queue whose numbers are drawn: closes the entries at the opening, holds the draw once its beacon is there.

However many joined, it is the same few writes: how many they are, the key, and the queue's phase. Every step may be
taken twice, by anybody.
"""

from __future__ import annotations

import structlog

from onsale.db import draws, vacancies
from onsale.db import engine as record
from onsale.db.ids import EventId
from onsale.errors import NotInQueue
from onsale.queue import lots
from onsale.queue.draw import draw_key, permutation
from onsale.queue.state import QueueState
from onsale.workers import given_up, revoking, vacating
from onsale.workers.shop import Shop

# So far ahead of the queue it is known which drawn numbers are nobody's; that many at once, and in one look.
LOOK_AHEAD = 20_000
LOOK_THROUGH = 4_000
LOOKS_MAX = 10

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
    with record.reading(shop.engine) as connection:
        draw = draws.get(connection, event_id)
        lost = draw is not None and draw.is_ready and vacancies.may_be(connection, event_id)
    if draw is None or draw.size is None or draw.beacon is None or draw.key is not None:
        return False
    # From here on nothing that the key is made of can change.
    key = draw_key(draw.seed, draw.beacon, draw.size)
    if revoking.tell_queue(shop, event_id, key=key) is None:
        return False
    if lost and not vacating.journal_is_whole(shop, event_id):
        return False
    return _hold(shop, event_id, key, lost=lost)


def _hold(shop: Shop, event_id: EventId, key: bytes, *, lost: bool) -> bool:
    with record.transaction(shop.engine) as connection:
        draw = draws.hold_back(connection, event_id)
        if draw is None or not draw.is_ready:
            return False
        if lost:
            # Before the first number is called, and never after: by then somebody may have claimed one.
            vacating.vacate(shop, connection, draw)
        held = draws.hold(connection, event_id, key=key, size=draw.size or 0, beacon=draw.beacon or "")
    if held:
        log.info("draw_held", event_id=event_id, size=draw.size)
        with record.reading(shop.engine) as connection:
            given_up.tell_queue(shop, connection, event_id)
    return held


def look_ahead(shop: Shop, event_id: EventId, queue: QueueState) -> None:
    """Where entries count more than once: have the queue pass the numbers that are nobody's, ahead of who comes next.

    A stretch at a time, as the queue moves, so that the opening waits for the first stretch alone.
    """
    draw, known = queue.rules.draw, queue.spare_to
    if known is None or draw is None or not draw.held or draw.size is None:
        return
    if known >= min(queue.serving + LOOK_AHEAD, draw.size):
        return
    bits, drawn = shop.places.lots(event_id), permutation(bytes.fromhex(draw.key), draw.size)
    for _ in range(LOOKS_MAX):
        stretch = range(known + 1, min(known + LOOK_THROUGH, draw.size) + 1)
        spare = list(lots.spare(bits, drawn, stretch))
        known = shop.places.pass_spare(event_id, stretch, spare, size=draw.size)
        if known is None or known >= queue.serving + LOOK_AHEAD:
            return
