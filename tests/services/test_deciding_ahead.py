"""A batch read and decided while the one before was written ends as one read afterwards would, or is read anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from celery.signals import before_task_publish
from sqlalchemy import Engine
from sqlalchemy.event import listen, remove

from onsale.db import house_reading, lane
from onsale.db.allocation import Decision, Outcome
from onsale.db.catalogue import NewSection
from onsale.db.engine import make_engine, reading, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.lane import Batch, read_batch
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers import lanes
from onsale.workers.beside import Beside
from onsale.workers.deciding_ahead import Ahead
from onsale.workers.lanes import End, LaneRun, work_lane
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

    ahead = Ahead(replace(shop, engine=nowhere), event_id, House())
    with Beside() as beside:
        ahead.begin(beside, before, refused(before))
        ahead.finish()

    assert ahead.hand_over(BATCH) is None


def refused(batch: Batch) -> tuple[Decision, ...]:
    return tuple(Decision(booking.id, 1, Outcome.UNAVAILABLE) for booking in batch.bookings)


def test_a_lower_number_that_came_meanwhile_is_the_first_of_what_follows(shop, engine, event_id):
    posted(engine, event_id, some_buyers(engine, 2 * BATCH), first=10)
    before = read(engine, event_id, BATCH)
    early = posted(engine, event_id, [a_buyer(engine)])

    ahead = Ahead(shop, event_id, House())
    with Beside() as beside:
        ahead.begin(beside, before, refused(before))
        ahead.finish()

    found = ahead.hand_over(BATCH)
    assert found is not None
    assert [booking.id for booking in found.batch.bookings][:1] == early
    assert not {booking.id for booking in found.batch.bookings} & {booking.id for booking in before.bookings}


SEATS = [NewSection(1, "Stalls", 1000, rows=2, seats_per_row=2 * BATCH)]


def free_here(shop: Any, event_id: EventId) -> int:
    """How many tickets this process takes for free, between two runs of the lane."""
    with shop.houses.borrow(event_id) as house:
        assert house is not None
        return sum(section.free for section in house.sections.values())


def free_in_the_record(engine: Engine, event_id: EventId) -> int:
    with reading(engine) as connection:
        return sum(section.free for section in house_reading.section_index(connection, event_id))


@contextmanager
def at(engine: Engine, kind: str, act: Callable[[], None], *, number: int = 1, begins: str = "") -> Iterator[None]:
    """Calls `act` at the n-th event of this kind, counting statements only that begin so."""
    seen = 0

    def happens(connection: Any, cursor: Any = None, statement: str = "", *_: Any) -> None:
        nonlocal seen
        if statement.lstrip().startswith(begins):
            seen += 1
            if seen == number:
                act()

    listen(engine, kind, happens)
    try:
        yield
    finally:
        remove(engine, kind, happens)


def test_the_next_batch_of_a_long_lane_is_decided_before_this_one_is_committed(shop, engine):
    event_id = an_event(engine, sections=SEATS)
    posted(engine, event_id, some_buyers(engine, 4 * BATCH))
    free: list[int] = []

    def look() -> None:
        # Ours while the lane has it, and read only.
        free.extend(section.free for section in shop.houses._kept[event_id].house.sections.values())

    with at(shop.lane_engine, "commit", look):
        worked(shop, event_id)

    assert free == [2 * BATCH]


def test_a_seat_that_goes_meanwhile_voids_what_was_decided_ahead_and_nothing_is_lost(shop, engine):
    event_id = an_event(engine, sections=SEATS)
    bookings = posted(engine, event_id, some_buyers(engine, 4 * BATCH - 1))

    def goes() -> None:
        """One seat of the batch that is about to be written."""
        run_sql(engine, "DELETE FROM tickets WHERE id = (SELECT min(id) FROM tickets WHERE state = 'free')")
        run_sql(engine, "UPDATE section_changes SET changes = changes + 1")

    with at(shop.lane_engine, "before_cursor_execute", goes, number=2, begins="EXECUTE write_batch"):
        worked(shop, event_id)

    assert states(engine, bookings) == [HELD] * len(bookings)
    assert free_here(shop, event_id) == free_in_the_record(engine, event_id) == 0


def test_a_run_that_ends_in_the_middle_gives_back_what_it_decided_ahead(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=50)])
    bookings = posted(engine, event_id, some_buyers(engine, 2 * lanes.BATCHES_MAX + 4))

    run = work_lane(shop, event_id, last_look=True, batch_max=2, seconds_max=PATIENT)

    assert (run.end, run.decided) == (End.UNFINISHED, 40)
    assert free_here(shop, event_id) == free_in_the_record(engine, event_id) == 10
    worked(shop, event_id)
    assert states(engine, bookings) == [HELD] * len(bookings)


def test_what_was_decided_ahead_is_given_back_when_the_lane_is_somebody_elses_by_then(shop, engine):
    event_id = an_event(engine, sections=SEATS)
    posted(engine, event_id, some_buyers(engine, 3 * BATCH))
    with ExitStack() as theirs:

        def taken() -> None:
            """Between our first batch and our second."""
            assert lane.take(theirs.enter_context(transaction(engine)), event_id).taken

        with at(shop.lane_engine, "begin", taken, number=2):
            run, _ = worked(shop, event_id)
        gone = 4 * BATCH - free_here(shop, event_id)

    assert (run.end, run.decided, gone) == (End.BUSY, BATCH, BATCH)


@pytest.mark.parametrize("end", [End.DRAINED, End.UNFINISHED])
def test_whoever_finds_the_house_taken_and_goes_away_is_not_missed(shop, engine, event_id, end):
    """It is given back before the last look, and before the lane's own wake-up: they see what the other came for."""
    several = BATCH - 1 if end is End.DRAINED else 2 * lanes.BATCHES_MAX + 1
    posted(engine, event_id, some_buyers(engine, several))
    shop.wakes.lane_started(event_id)
    to_be_had: list[bool] = []

    def look(**_: Any) -> None:
        with shop.houses.borrow(event_id) as house:
            to_be_had.append(house is not None)

    before_task_publish.connect(look)
    try:
        with at(shop.engine, "before_cursor_execute", look, begins="SELECT coalesce((SELECT selling"):
            run = work_lane(shop, event_id, last_look=True, batch_max=2, seconds_max=PATIENT)
    finally:
        before_task_publish.disconnect(look)

    assert (run.end, to_be_had) == (end, [True])
