"""The number that somebody has in the queue now, from the one that they joined with: what a draw made of it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from onsale.db import draw_lots
from onsale.db.ids import EventId
from onsale.queue.draw import DrawState, drawn_as


def drawn_numbers(connection: Connection, event_id: EventId, draw: DrawState | None) -> Callable[[int], int | None]:
    """For each number; None while it is still to be drawn. Of a weight the best of its row counts."""
    weights = draw_lots.rows(connection, event_id) if draw is not None and draw.weights else {}
    return lambda number: drawn_as(draw, number, weight=weights.get(number, 1))
