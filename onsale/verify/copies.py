"""Do the queue's stock and the cache of taken tickets say what the record says? They are given ten seconds to agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from sqlalchemy import Engine, text

from onsale.db import stats
from onsale.db.engine import reading
from onsale.db.ids import EventId, TicketId
from onsale.errors import QueueRecovering, QueueUnavailable
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TICKETS_MAX, TicketCache

AGREE_SECONDS_MAX = 10.0
LOOK_SECONDS = 0.5


def differences(engine: Engine, event_id: EventId, store: QueueStore, cache: TicketCache) -> list[str]:
    """What still differs after ten seconds; a copy that is away says nothing wrong."""
    return [*_patiently(lambda: _stock(engine, event_id, store)), *_patiently(lambda: _taken(engine, event_id, cache))]


def _patiently(look: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + AGREE_SECONDS_MAX
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return found


def _stock(engine: Engine, event_id: EventId, store: QueueStore) -> list[str]:
    try:
        queue = store.snapshot(event_id)
    except (QueueUnavailable, QueueRecovering):
        return []
    if queue.recovering or queue.free is None:
        return []
    with reading(engine) as connection:
        stock = stats.stock(connection, event_id)
    if (queue.free, queue.held) == (stock.free, stock.held):
        return []
    return [f"the queue says {queue.free} free and {queue.held} held, the record {stock.free} and {stock.held}"]


def _taken(engine: Engine, event_id: EventId, cache: TicketCache) -> list[str]:
    """Free tickets the cache calls taken: somebody would be refused who could buy. One it lost harms nobody."""
    with reading(engine) as connection:
        free = [TicketId(ticket) for ticket in connection.execute(_FREE, {"event_id": event_id}).scalars()]
    wrong = [ticket for some in _by(free, TICKETS_MAX) for ticket in cache.taken(some)]
    return [f"the cache says that ticket {ticket} is taken, the record that it is free" for ticket in sorted(wrong)]


def _by(tickets: Iterable[TicketId], size: int) -> Iterator[list[TicketId]]:
    rest = iter(tickets)
    while some := list(islice(rest, size)):
        yield some


_FREE = text("SELECT id FROM tickets WHERE event_id = :event_id AND state = 'free'")
