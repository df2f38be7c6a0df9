"""The lane: decides an event's bookings, one batch after the other, in the order of their numbers.

An actor per event on top of Celery: whoever gets the event's advisory lock is the lane for one batch, and any worker
serves any event.
Why batches are halved, and why a short batch ends a look: docs/decisions/0019.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Self

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError

from onsale.db import allocation, house_reading, lane, price_schedule, sale_log
from onsale.db import engine as record
from onsale.db.allocation import Decision
from onsale.db.house import House
from onsale.db.ids import BookingId, EventId
from onsale.db.lane import BATCH_MAX, QUEUE_MAX, AllocationStale, Batch, QueuedBooking, Written
from onsale.db.number_blocks import NUMBER_MAX
from onsale.errors import QueueRecovering, QueueUnavailable, RecordUnavailable
from onsale.queue.state import Phase, QueueState
from onsale.queue.status import derived_phase
from onsale.workers import follow_up
from onsale.workers.beside import Beside
from onsale.workers.deciding_ahead import Ahead, Found
from onsale.workers.shop import Shop

# One event must not keep a worker from the others: after this its lane wakes itself and goes to the end of the queue.
BATCHES_MAX = 20
SECONDS_MAX = 1.0
# Somebody else took a ticket under the batch (expiry, an admin): redone so often, then left to the next wake-up.
STALE_MAX = 5
# Hands-free bookings are queued a thousand at a time; more than this many times is the next batch's.
QUEUE_ROUNDS_MAX = 10

# The record was busy or away, which is no booking's fault: nobody is failed for it. SQLAlchemy's OperationalError is a
# lock or statement timeout, a serialization failure, a deadlock or a lost connection; a ProgrammingError is a schema
# that does not fit this code, in the middle of a bad deployment.
TRANSIENT = (RecordUnavailable, OperationalError, InterfaceError, ProgrammingError)

# An interrupted lane is woken again after this long.
INTERRUPTED_SECONDS = 0.5
FAILED_REASON = "lane_error"

log = structlog.get_logger(__name__)


class End(StrEnum):
    """Why a run of the lane ended."""

    DRAINED = "drained"  # nothing left to decide
    BUSY = "busy"  # someone else has the lane; their last look sees what we were woken for
    PAUSED = "paused"  # the organiser stopped selling
    UNFINISHED = "unfinished"  # there is more, the wake-up is sent again
    INTERRUPTED = "interrupted"  # the record did not play along; wake again a little later


@dataclass(frozen=True)
class LaneRun:
    """What one wake-up did."""

    end: End
    batches: int = 0
    decided: int = 0
    failed: tuple[BookingId, ...] = ()


class Poisoned(Exception):
    """A batch of `size` raised. `head` is its one booking, when it was alone."""

    def __init__(self, *, size: int, head: BookingId | None) -> None:
        super().__init__(f"a batch of {size} raised")
        self.size = size
        self.head = head


@dataclass(frozen=True)
class Decided:
    """A committed batch; fewer bookings than were asked for means that the lane was drained when it was read."""

    bookings: tuple[QueuedBooking, ...] = ()
    decisions: tuple[Decision, ...] = ()
    written: Written | None = None


def work_lane(
    shop: Shop,
    event_id: EventId,
    *,
    last_look: bool,
    batch_max: int = BATCH_MAX,
    seconds_max: float = SECONDS_MAX,
) -> LaneRun:
    """Decide what the event's lane holds, at most 20 batches or a second; then the wake-up is sent again.

    `last_look=False` leaves out the look after the commit (the guard's negative control).
    """
    started = time.monotonic()
    with Beside() as beside, _Look(shop, event_id, beside, last_look=last_look, batch_max=batch_max) as look:
        while look.batches < BATCHES_MAX and time.monotonic() - started < seconds_max:
            end = look.next_batch()
            if end is not None:
                return look.ended(end)
    shop.wakes.wake_lane(event_id)
    return look.ended(End.UNFINISHED)


class _Look:
    """One wake-up's work on a lane: how much to read next, and what came of it so far.

    It keeps the event's house from batch to batch, and lets go of it before anything that another wake-up, which found
    it taken and went away, must not have missed: the last look, and the lane's own next wake-up.
    """

    def __init__(self, shop: Shop, event_id: EventId, beside: Beside, *, last_look: bool, batch_max: int) -> None:
        self.shop, self.event_id, self.beside, self.last_look = shop, event_id, beside, last_look
        self.size = self.batch_max = batch_max
        self.batches = self.decided = self.stale = 0
        self.borrowed = ExitStack()
        self.house: House | None = None
        self.ahead: Ahead | None = None
        self.failed: list[BookingId] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.shop.houses.forget(self.event_id)
        self._let_go()

    def _let_go(self) -> None:
        """Give the house back as the record has it, without what was decided ahead."""
        self._read_anew()
        self.house = None
        self.borrowed.close()

    def ended(self, end: End) -> LaneRun:
        return LaneRun(end, self.batches, self.decided, tuple(self.failed))

    def next_batch(self) -> End | None:
        """Decide a batch; None: there may be more."""
        self.batches += 1
        if self.house is None:
            self.house = self.borrowed.enter_context(self.shop.houses.borrow(self.event_id))
        if self.house is None:
            return End.BUSY
        queue = _queue(self.shop, self.event_id)
        found = self.ahead.hand_over(self.size) if self.ahead else None
        self.ahead = Ahead(self.shop, self.event_id, self.house)
        aside = _Aside(self.beside, self.ahead, found)
        try:
            done = _decide_batch(self.shop, self.house, self.size, queue, event_id=self.event_id, aside=aside)
        except AllocationStale:
            self.stale += 1
            self._read_anew()
            return End.INTERRUPTED if self.stale > STALE_MAX else None
        except TRANSIENT as error:
            log.warning("lane_interrupted", event_id=self.event_id, error=type(error).__name__)
            # The commit itself may have been lost: nobody knows whether what the house took is written.
            self.shop.houses.forget(self.event_id)
            return End.INTERRUPTED
        except Poisoned as poisoned:
            self._read_anew()
            self._narrow(poisoned)
            return None
        if done is None or isinstance(done, End):
            return done
        return self._after(done, queue)

    def _read_anew(self) -> None:
        """What was found ahead counts on a batch that was not written, or is not wanted any more."""
        if self.ahead is not None:
            self.ahead.put_back()
        self.ahead = None

    def _after(self, done: Decided, queue: QueueState | None) -> End | None:
        """A batch is committed: what follows from it, and whether there is more."""
        self.decided += len(done.decisions)
        if done.written:
            self.beside.owe(
                partial(follow_up.decided, self.shop, done.bookings, done.decisions, written=done.written, queue=queue)
            )
        if len(done.bookings) == self.size:
            return None
        # There may be no next batch to do it beside, and somebody waits for this one.
        self.beside.finish()
        self._let_go()
        if self.last_look and _undecided(self.shop, self.event_id):
            return None
        return End.DRAINED

    def _narrow(self, poisoned: Poisoned) -> None:
        """Read half as many next time; a booking that raised all alone ends, and batches are whole again."""
        if poisoned.head is None:
            self.size = max(1, poisoned.size // 2)
            return
        self.size = self.batch_max
        if _fail(self.shop, self.event_id, poisoned.head, poisoned.__cause__):
            self.failed.append(poisoned.head)


@dataclass(frozen=True)
class _Aside:
    """Beside a batch: its follow-up, and the deciding of the next; and what was found ahead for this one."""

    beside: Beside
    ahead: Ahead
    found: Found | None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided ahead."""
        return self.found.decisions if self.found else ()

    def begin(self, batch: Batch, decisions: Sequence[Decision], size: int) -> None:
        """The batch is about to be written. Behind one that was not whole there is nothing to read."""
        if len(batch.bookings) == size > 1:
            self.ahead.begin(self.beside, batch, decisions)
        self.beside.begin()

    def without_found(self, house: House) -> _Aside:
        """Something else comes first."""
        if self.found is not None:
            self.found.put_back(house)
        return replace(self, found=None)


def _decide_batch(
    shop: Shop, house: House, size: int, queue: QueueState | None, *, event_id: EventId, aside: _Aside
) -> Decided | End | None:
    """One batch in one transaction under the lane's lock; None: prices that were due are in force instead."""
    with record.transaction(shop.lane_engine) as connection:
        turn = lane.take(connection, event_id, **_served(queue))
        if not turn.taken:
            aside.without_found(house)
            return End.BUSY
        if queue is not None and _queue_admitted(connection, event_id, queue, due=turn.due):
            aside = aside.without_found(house)
        done = _decide(connection, event_id, house, size, aside=aside)
    if isinstance(done, Decided) and done.written:
        house.wrote(done.written.changes)
    return done


def _decide(
    connection: Connection, event_id: EventId, house: House, size: int, *, aside: _Aside
) -> Decided | End | None:
    """Read, decide, write. What raises here, and is not the record's doing, is a booking's: Poisoned."""
    head: BookingId | None = None
    read, decisions = size, aside.decisions
    try:
        if size == 1:
            head = lane.head(connection, event_id)
        batch = aside.found.batch if aside.found else lane.read_batch(connection, event_id, limit=size)
        if not batch.selling:
            return End.PAUSED
        if not batch.bookings:
            return Decided()
        if batch.price_is_due:
            # A transaction of its own: who frees seats takes their section's counter last, this would take it first.
            price_schedule.apply_due(connection, event_id)
            return None
        read = len(batch.bookings)
        if not decisions:
            named = house_reading.prepare_house(connection, event_id, house, batch)
            decisions = allocation.allocate(batch.requests, house, named)
        aside.begin(batch, decisions, size)
        written = _write(connection, batch, decisions)
        aside.ahead.finish()
    except AllocationStale as stale:
        aside.ahead.finish()
        allocation.put_back(house, decisions)
        house.forget(stale.section_ids)
        raise
    except Exception as error:
        aside.ahead.finish()
        # Nothing is known of what `allocate` had taken when it raised.
        house.forget(tuple(house.sections))
        # Without a booking there is no culprit: the error is ours.
        if isinstance(error, TRANSIENT) or (size == 1 and head is None):
            raise
        raise Poisoned(size=read, head=head) from error
    return Decided(batch.bookings, decisions, written)


def _write(connection: Connection, batch: Batch, decisions: Sequence[Decision]) -> Written:
    return lane.write_batch(
        connection,
        batch.event_id,
        decisions,
        snapshot=batch.snapshot,
        terms=batch.terms,
        price_due_at=batch.price_due_at,
    )


def _queue(shop: Shop, event_id: EventId) -> QueueState | None:
    """How far the queue is; None when it is away or recovering: then only bookings already queued are decided."""
    try:
        queue = shop.store.snapshot(event_id)
    except (QueueUnavailable, QueueRecovering):
        return None
    return None if queue.recovering else queue


def _served(queue: QueueState | None) -> dict[str, int]:
    """How far the queue is, as the lane's statements take it."""
    return {"serving": queue.serving, "return_serving": queue.return_serving} if queue else {}


def _queue_admitted(connection: Connection, event_id: EventId, queue: QueueState, *, due: bool) -> int:
    """Queue the hands-free bookings whose turn has come, and say how many; all of them once the last ticket is sold.

    Nobody is let in to a house that is sold out, and who booked before their turn is told so, in number order.
    """
    serving, return_serving = queue.serving, queue.return_serving
    if derived_phase(queue) is Phase.SOLD_OUT and lane.is_sold_out(connection, event_id):
        serving = return_serving = NUMBER_MAX
    elif not due:
        return 0
    queued = 0
    for _ in range(QUEUE_ROUNDS_MAX):
        moved = lane.queue_admitted(connection, event_id, serving=serving, return_serving=return_serving)
        queued += moved
        if moved < QUEUE_MAX:
            break
    return queued


def _undecided(shop: Shop, event_id: EventId) -> bool:
    """The last look: is there anything whose wake-up may have found the lane taken?"""
    served = _served(_queue(shop, event_id))
    with record.reading(shop.engine) as connection:
        return lane.any_queued(connection, event_id, **served)


def _fail(shop: Shop, event_id: EventId, booking_id: BookingId, error: BaseException | None) -> bool:
    """End the culprit in a transaction of its own, and say so where people and machines look."""
    with record.transaction(shop.engine) as connection:
        failed = lane.mark_failed(connection, booking_id, reason=FAILED_REASON)
        if failed:
            body = {"booking_id": str(booking_id), "error": type(error).__name__}
            sale_log.append(connection, event_id, actor="lane", kind="booking_failed", body=body)
    if failed:
        log.error("booking_failed_in_lane", event_id=event_id, booking_id=str(booking_id), exc_info=error)
    return failed
