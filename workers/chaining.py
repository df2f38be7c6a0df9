"""Chains what happened in every sale: new rows of the record become lines, closed in batches that name each other."""

from __future__ import annotations

import structlog
from sqlalchemy import Engine

from onsale.db import engine as record
from onsale.db import locks, sale_chain

# A task that is behind leaves the rest to the next one, two seconds later: holds that ran out wait behind it.
PAGES_MAX = 2
# Four million lines.
ROUNDS_MAX = 1_000

log = structlog.get_logger(__name__)


def chain(engine: Engine, *, lines_max: int = sale_chain.LINES_MAX) -> int:
    """Chain what was committed since the last look; returns how many lines. A second copy does nothing.

    Killed anywhere it has written a whole page or nothing of it; what has a line is not chained again.
    """
    total = 0
    for _ in range(PAGES_MAX):
        chained, more = _page(engine, lines_max)
        total += chained
        if not more:
            break
    return total


def catch_up(engine: Engine) -> None:
    """Chain all that is there now, for a report. What a running sale adds meanwhile is the next report's."""
    for _ in range(ROUNDS_MAX):
        if chain(engine) < PAGES_MAX * sale_chain.LINES_MAX:
            return


def _page(engine: Engine, lines_max: int) -> tuple[int, bool]:
    with record.transaction(engine) as connection:
        # A statement of its own: the look after it sees what the chainer before us wrote.
        if not locks.try_alone(connection, "sale_chain"):
            return 0, False
        seen_before = sale_chain.seen(connection)
        found = sale_chain.find(connection, seen_before=seen_before, limit=lines_max)
        batches = sale_chain.append(connection, found.rows) if found.rows else ()
        if not found.more and sale_chain.is_worth_a_note(seen_before, found):
            sale_chain.remember(connection, found.seen)
    for batch in batches:
        log.debug("chained", event_id=batch.event_id, batch=batch.seq, last=batch.last, hash=batch.hash.hex())
    return len(found.rows), found.more
