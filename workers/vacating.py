"""Tells the queue which drawn numbers are nobody's, so that passing them over costs neither a turn nor a slot.

There are some where Redis was lost in a draw's pre-queue. Whoever proves one by a token has it after all (`claim`).
"""

from __future__ import annotations

import structlog
from sqlalchemy import Connection

from onsale.db import vacancies
from onsale.db.draws import Draw
from onsale.db.ids import EventId
from onsale.queue.draw import draw_key, permutation
from onsale.queue.journaled import JOURNAL_MAX
from onsale.workers import journaling
from onsale.workers.shop import Shop

# So many times ten thousand joins are written down before a draw; the rest in the next rounds, and it is held then.
DRAINS_MAX = 100

log = structlog.get_logger(__name__)


def journal_is_whole(shop: Shop, event_id: EventId) -> bool:
    """Write down every join that the queue has; False when there are more than one round can take."""
    whole = journaling.ROUNDS_MAX * JOURNAL_MAX
    return any(journaling.write_journal(shop, event_id).joins < whole for _ in range(DRAINS_MAX))


def vacate(shop: Shop, connection: Connection, draw: Draw) -> list[int]:
    """Tell the queue all of them, as soon as what they are drawn as follows from the record; those numbers.

    Once the draw was held, for recovery alone: what a buyer claims meanwhile must not be taken from them again.
    """
    if not draw.size or draw.beacon is None:
        return []
    drawn = permutation(draw_key(draw.seed, draw.beacon, draw.size), draw.size)
    gaps = vacancies.of_draw(connection, draw.event_id, size=draw.size)
    numbers = [drawn.drawn(number) for gap in gaps for number in gap]
    if numbers:
        shop.places.vacate(draw.event_id, numbers)
        log.info("numbers_of_nobody", event_id=draw.event_id, numbers=len(numbers), size=draw.size)
    return numbers
