"""A draw with a code that counts five times, for tests: announced, joined as the web does it, and held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from onsale.db import draw_lots
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.queue.state import Joined
from tests.builders import an_event, open_queue, set_queue
from tests.services.selling_codes import a_code
from tests.services.test_draw import ADDRESS, VALUE, announced, beacon_came, entries_closed, go_round

FIVE_TIMES = NewCode(CodeKind.PRIORITY, weight=5, uses_max=3)


def an_announced_draw(engine: Any) -> EventId:
    """One that nobody may join yet."""
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))
    announced(engine, event_id)
    return event_id


def a_weighted_draw(shop: Any, engine: Any) -> EventId:
    """One in whose pre-queue one may join, three people with the code FANS."""
    event_id = an_announced_draw(engine)
    a_code(engine, event_id, FIVE_TIMES, "FANS")
    set_queue(engine, event_id, phase=Phase.PRE_QUEUE)
    open_queue(shop, event_id)
    return event_id


def join_with(shop: Any, event_id: EventId, buyer: BuyerId, weight: int = 5) -> Joined:
    """The code's use first, then the numbers."""
    with transaction(shop.engine) as connection:
        draw_lots.take(connection, event_id, buyer, "FANS")
    joined: Joined = shop.store.join(event_id, buyer, address=ADDRESS, weight=weight)
    return joined


def held(shop: Any, engine: Any, event_id: EventId) -> None:
    """The draw is held, and its numbers are looked through."""
    entries_closed(shop, engine, event_id)
    beacon_came(engine, event_id, VALUE)
    go_round(shop, lambda: shop.store.snapshot(event_id).rules.draw.held, "the draw is held")
    go_round(shop, lambda: shop.store.snapshot(event_id).spare_to is None, "the spare numbers are passed")
