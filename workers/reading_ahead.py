"""A lane's next batch, read while PostgreSQL writes the one before it: decision 0073 says why that keeps the order.

Only where a lane is long: whatever is missing, in doubt or less than a whole batch is read anew, under the lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial

import structlog

from onsale.db import lane
from onsale.db.allocation import Decision
from onsale.db.engine import reading
from onsale.db.ids import BuyerId, EventId
from onsale.db.lane import Batch
from onsale.workers.beside import Beside
from onsale.workers.shop import Shop

# Longer than writing takes it is not waited for.
SECONDS_MAX = 0.5

log = structlog.get_logger(__name__)


class ReadAhead:
    """At most one batch, for the look at the lane that comes next."""

    def __init__(self, shop: Shop, event_id: EventId) -> None:
        self._shop, self._event_id = shop, event_id
        self._reading: Future[None] | None = None
        self._found: Batch | None = None
        self._batch: Batch | None = None

    def begin(self, beside: Beside, before: Batch, decisions: Sequence[Decision]) -> None:
        """Begin to read what comes after `before`, whose decisions are about to be written."""
        self._reading = beside.run(partial(self._read, before, decisions))

    def finish(self) -> None:
        """Wait until it is read: before the commit, for one read after it would count what the batch gives twice."""
        if self._reading is not None and wait([self._reading], SECONDS_MAX).done:
            self._batch = self._found

    def batch(self, size: int) -> Batch | None:
        """A whole batch of this size, or nothing."""
        return self._batch if self._batch is not None and len(self._batch.bookings) == size else None

    def _read(self, before: Batch, decisions: Sequence[Decision]) -> None:
        ids = [booking.id for booking in before.bookings]
        try:
            with reading(self._shop.engine) as connection:
                found = lane.read_batch(connection, self._event_id, limit=len(ids), being_written=ids)
        except Exception as error:
            # Read under the lock it fails again, there where its culprit is looked for.
            log.warning("not_read_ahead", event_id=self._event_id, error=type(error).__name__)
        else:
            self._found = counted(found, before, decisions)


def counted(found: Batch, before: Batch, decisions: Sequence[Decision]) -> Batch:
    """`found` with as much taken by each buyer, and from each address, as once the batch before it is written."""
    given: Counter[BuyerId] = Counter()
    given_to: Counter[str | None] = Counter()
    for booking, decision in zip(before.bookings, decisions, strict=True):
        given[booking.buyer_id] += len(decision.tickets)
        given_to[booking.request.address] += len(decision.tickets)
    # Who has no address is counted by none.
    del given_to[None]
    bookings = tuple(
        booking._replace(
            request=booking.request._replace(
                buyer_taken=booking.request.buyer_taken + given[booking.buyer_id],
                address_taken=booking.request.address_taken + given_to[booking.request.address],
            )
        )
        if given.get(booking.buyer_id) or given_to.get(booking.request.address)
        else booking
        for booking in found.bookings
    )
    return replace(found, bookings=bookings)
