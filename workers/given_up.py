"""Tells a queue which numbers nobody has any more because a guest who signed in had another: they are passed over."""

from __future__ import annotations

from sqlalchemy import Connection

from onsale.db import draws, handovers
from onsale.db.ids import EventId
from onsale.queue.draw import draw_of
from onsale.queue.keys import number_place
from onsale.workers.drawn_numbers import drawn_numbers
from onsale.workers.shop import Shop

# Beyond it they are passed over for being absent.
NUMBERS_MAX = 10_000


def tell_queue(shop: Shop, connection: Connection, event_id: EventId) -> int:
    """How many it was told of: once a draw was held, and again when the queue is restored. May run twice."""
    numbers = handovers.given_up(connection, event_id, limit=NUMBERS_MAX)
    if not numbers:
        return 0
    draw = draws.get(connection, event_id)
    drawn = drawn_numbers(connection, event_id, draw_of(draw.public()) if draw else None)
    known = [number_place(place) for place in map(drawn, numbers) if place is not None]
    for place in known:
        shop.store.leave(event_id, place)
    return len(known)
