"""A lane's next batch, read and decided while PostgreSQL writes the one before it: decisions 0073 and 0091 say why that
keeps the order.

Only where a lane is long: whatever is missing, in doubt or less than a whole batch is read anew, under the lock; what
the house alone cannot decide (named tickets, codes, a section to be read) is decided there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

import structlog
from sqlalchemy import Connection

from onsale.db import allocation, house_reading, lane
from onsale.db.allocation import Decision
from onsale.db.engine import reading
from onsale.db.house import House
from onsale.db.ids import BuyerId, EventId
from onsale.db.lane import Batch
from onsale.workers.beside import Beside
from onsale.workers.shop import Shop

# Longer than writing takes it is not waited for.
SECONDS_MAX = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A batch that nobody has written yet. With `decisions`, their tickets are taken out of the house."""

    batch: Batch
    decisions: tuple[Decision, ...] = ()

    def put_back(self, house: House) -> None:
        """It will not be written: give the house its tickets back."""
        allocation.put_back(house, self.decisions)


class Ahead:
    """At most one batch, for the look at the lane that comes next.

    Between `begin` and `finish` the house is this one's: whoever writes the batch before must not touch it.
    """

    def __init__(self, shop: Shop, event_id: EventId, house: House) -> None:
        self._shop, self._event_id, self._house = shop, event_id, house
        self._under_way: Future[None] | None = None
        self._lock = Lock()
        self._too_late = False
        self._found: Found | None = None

    def begin(self, beside: Beside, before: Batch, decisions: Sequence[Decision]) -> None:
        """Begin with what comes after `before`, whose decisions are about to be written."""
        self._under_way = beside.run(partial(self._work, before, decisions))

    def finish(self) -> None:
        """Wait until it is done: before the commit, for one read after it would count what the batch gives twice."""
        if self._under_way is None:
            return
        wait([self._under_way], SECONDS_MAX)
        with self._lock:
            self._too_late = True

    def hand_over(self, size: int) -> Found | None:
        """A whole batch of this size, or nothing; either way this one has nothing any more."""
        found = self._found
        if found is None or len(found.batch.bookings) != size:
            self.put_back()
            return None
        self._found = None
        return found

    def put_back(self) -> None:
        """The batch before it was not written, or this one will not be: what was decided is void."""
        self.finish()
        found, self._found = self._found, None
        if found is not None:
            found.put_back(self._house)

    def _work(self, before: Batch, decisions: Sequence[Decision]) -> None:
        ids = [booking.id for booking in before.bookings]
        try:
            with reading(self._shop.engine) as connection:
                read = lane.read_batch(connection, self._event_id, limit=len(ids), being_written=ids)
                with self._lock:
                    if not self._too_late:
                        self._found = self._decided(connection, counted(read, before, decisions), whole=len(ids))
        except Exception as error:
            # Read under the lock it fails again, there where its culprit is looked for.
            log.warning("not_read_ahead", event_id=self._event_id, error=type(error).__name__)

    def _decided(self, connection: Connection, batch: Batch, *, whole: int) -> Found:
        """The batch with its decisions, where the record need not be asked for them."""
        if len(batch.bookings) < whole or not house_reading.is_prepared(self._house, batch):
            return Found(batch)
        named = house_reading.prepare_house(connection, self._event_id, self._house, batch)
        try:
            return Found(batch, allocation.allocate(batch.requests, self._house, named))
        except Exception:
            # Nothing is known of what it had taken when it raised.
            self._house.forget_all()
            raise


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
