"""A batch read while the one before was written is decided as one read afterwards would be, or is read anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.event import listen, remove

from onsale.db.allocation import Decision, Outcome
from onsale.db.catalogue import NewSection
from onsale.db.engine import make_engine, reading
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.lane import Batch, read_batch
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.beside import Beside
from onsale.workers.lanes import End, LaneRun, work_lane
from onsale.workers.reading_ahead import ReadAhead
from tests.builders import a_booking, a_buyer, an_event, open_queue, run_sql, some_buyers, states

HELD, UNAVAILABLE = BookingState.HELD, BookingState.UNAVAILABLE
STANDING = [NewSection(1, "Standing", 1000, standing=100)]
BATCH = 5
PATIENT = 60.0


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine, sections=STANDING)


def posted(engine: Engine, event_id: EventId, buyers: list[BuyerId], *, first: int = 1) -> list[BookingId]:
    """One booking of one ticket for each, in this order."""
    return [
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer)
        for number, buyer in enumerate(buyers, first)
    ]


def read(engine: Engine, event_id: EventId, limit: int) -> Batch:
    with reading(engine) as connection:
        return read_batch(connection, event_id, limit=limit)


def worked(shop: Any, event_id: EventId) -> tuple[LaneRun, int]:
    """The lane's run in batches of five, and how many batches it read under its lock."""
    under_the_lock = 0

    def count(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        nonlocal under_the_lock
        # Ahead, those being written are left out.
        under_the_lock += statement.startswith("EXECUTE read_batch") and "{}" in parameters

    listen(shop.lane_engine, "before_cursor_execute", count)
    try:
        run = work_lane(shop, event_id, last_look=True, batch_max=BATCH, seconds_max=PATIENT)
    finally:
        remove(shop.lane_engine, "before_cursor_execute", count)
    return run, under_the_lock


def test_in_a_long_lane_only_the_first_and_the_last_batch_are_read_under_the_lock(shop, engine, event_id):
    bookings = posted(engine, event_id, some_buyers(engine, 4 * BATCH + 1))

    run, under_the_lock = worked(shop, event_id)

    assert (run.end, run.batches, run.decided) == (End.DRAINED, 5, 4 * BATCH + 1)
    assert under_the_lock == 2
    assert states(engine, bookings) == [HELD] * len(bookings)


def test_what_the_batch_before_gives_a_buyer_counts_against_the_limit_of_the_next(shop, engine, event_id):
    buyer, *others = some_buyers(engine, 2 * BATCH - 1)
    # The first of one batch and the last of the next.
    bookings = posted(engine, event_id, [buyer, *others[: BATCH - 1], *others[BATCH - 1 :], buyer])
    run_sql(engine, "UPDATE events SET tickets_per_buyer = 1")

    _, under_the_lock = worked(shop, event_id)

    assert under_the_lock == 2
    assert states(engine, bookings) == [HELD] * (len(bookings) - 1) + [UNAVAILABLE]


def test_who_is_queued_by_their_turn_meanwhile_comes_before_what_was_read_ahead(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=2 * BATCH)], queue=QueueChange())
    open_queue(shop, event_id)
    bookings = posted(engine, event_id, some_buyers(engine, 2 * BATCH), first=10)
    early: list[BookingId] = []

    def comes_in(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        """Somebody's turn comes after the next batch was read, and before it is decided."""
        if statement.startswith("EXECUTE read_batch") and not early:
            buyer = a_buyer(engine)
            number = shop.store.join(event_id, buyer, address="192.0.2.1").number
            wish, waiting = Wish(quantity=1), BookingState.WAITING
            early.append(a_booking(engine, event_id, wish, number=number, buyer_id=buyer, state=waiting))
            shop.store.advance(event_id)

    listen(shop.engine, "after_cursor_execute", comes_in)
    try:
        worked(shop, event_id)
    finally:
        remove(shop.engine, "after_cursor_execute", comes_in)

    assert states(engine, [*early, *bookings]) == [HELD] * (2 * BATCH) + [UNAVAILABLE]


def test_a_record_that_cannot_be_read_ahead_is_read_under_the_lock(shop, engine, event_id):
    posted(engine, event_id, some_buyers(engine, 2 * BATCH))
    before = read(engine, event_id, BATCH)
    nowhere = make_engine("postgresql+psycopg2://onsale:x@127.0.0.1:1/onsale")

    ahead = ReadAhead(replace(shop, engine=nowhere), event_id)
    with Beside() as beside:
        ahead.begin(beside, before, refused(before))
        ahead.finish()

    assert ahead.batch(BATCH) is None


def refused(batch: Batch) -> tuple[Decision, ...]:
    return tuple(Decision(booking.id, 1, Outcome.UNAVAILABLE) for booking in batch.bookings)


def test_a_lower_number_that_came_meanwhile_is_the_first_of_what_follows(shop, engine, event_id):
    posted(engine, event_id, some_buyers(engine, 2 * BATCH), first=10)
    before = read(engine, event_id, BATCH)
    early = posted(engine, event_id, [a_buyer(engine)])

    ahead = ReadAhead(shop, event_id)
    with Beside() as beside:
        ahead.begin(beside, before, refused(before))
        ahead.finish()

    found = ahead.batch(BATCH)
    assert found is not None
    assert [booking.id for booking in found.bookings][:1] == early
    assert not {booking.id for booking in found.bookings} & {booking.id for booking in before.bookings}
