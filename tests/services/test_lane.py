"""The lane decides bookings in the order of their numbers, whatever order they came in; nothing stops it for long."""

from __future__ import annotations

import random
import threading

import pytest
from sqlalchemy import text

from onsale.db import lane
from onsale.db.catalogue import NewSection
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.expiry import sweep
from onsale.workers.lanes import BATCHES_MAX, End, work_lane
from tests.builders import (
    a_booking,
    a_buyer,
    an_event,
    booking,
    lane_is_taken,
    let_the_hold_run_out,
    open_queue,
    run_sql,
    seat,
    set_queue,
    some_buyers,
    states,
    ticket_states,
    until,
)

HELD, UNAVAILABLE, QUEUED, FAILED = (
    BookingState.HELD,
    BookingState.UNAVAILABLE,
    BookingState.QUEUED,
    BookingState.FAILED,
)
ONE_SEAT_WANTED = 200
# The lane's own second is over early on a busy machine; how many batches it takes is what is tested.
PATIENT = 60.0
# A hundred are halved seven times until one is alone; what was read in between is decided, and two more batches follow.
HALVED_MAX = 12


def test_of_two_hundred_who_want_one_seat_the_lowest_number_gets_it_and_the_others_keep_their_admission(shop, engine):
    event_id = an_event(engine, queue=QueueChange(selling=False))
    numbers = list(range(1, ONE_SEAT_WANTED + 1))
    seed = random.randrange(1 << 30)
    random.Random(seed).shuffle(numbers)
    buyers = dict(zip(numbers, some_buyers(engine, len(numbers)), strict=True))
    wish = Wish(tickets=(seat(event_id, 3),))
    posted = {number: a_booking(engine, event_id, wish, number=number, buyer_id=buyers[number]) for number in numbers}
    paused = work_lane(shop, event_id, last_look=True)

    set_queue(engine, event_id, selling=True)
    run = work_lane(shop, event_id, last_look=True)

    assert (paused.end, paused.decided) == (End.PAUSED, 0)
    assert (run.end, run.decided) == (End.DRAINED, ONE_SEAT_WANTED), f"seed {seed}"
    ended = states(engine, [posted[number] for number in sorted(numbers)])
    assert ended == [HELD] + [UNAVAILABLE] * (ONE_SEAT_WANTED - 1), f"seed {seed}"
    # The admission is usable again: the same place books another seat.
    again = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 4),)), number=2, buyer_id=buyers[2])
    work_lane(shop, event_id, last_look=True)
    assert booking(engine, again).state is HELD


def test_seats_go_in_the_order_of_the_numbers(shop, engine):
    event_id = an_event(engine)
    numbers = list(range(1, 13))
    random.Random(7).shuffle(numbers)
    posted = {number: a_booking(engine, event_id, Wish(quantity=1), number=number) for number in numbers}

    work_lane(shop, event_id, last_look=True)

    ended = states(engine, [posted[number] for number in sorted(numbers)])
    assert ended == [HELD] * 10 + [UNAVAILABLE] * 2


def test_a_batch_larger_than_the_most_is_decided_whole_and_in_order(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=150)])
    buyers = some_buyers(engine, 2 * lane.BATCH_MAX + 1)
    posted = [
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer)
        for number, buyer in reversed(list(enumerate(buyers, start=1)))
    ][::-1]

    run = work_lane(shop, event_id, last_look=True, seconds_max=PATIENT)

    assert (run.end, run.batches, run.decided) == (End.DRAINED, 3, len(buyers))
    assert states(engine, posted) == [HELD] * 150 + [UNAVAILABLE] * (len(buyers) - 150)


def worked_while_the_lane_was_taken(shop, engine, *, last_look: bool) -> BookingState:
    """The state of a booking whose wake-up found the lane taken by someone in the middle of a batch."""
    event_id = an_event(engine)
    a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    done: list[object] = []
    with engine.connect() as other:
        # Somebody has the row of the seat, so the batch waits in mid-write with the lane's lock taken.
        other.execute(text("SELECT 1 FROM tickets WHERE id = :id FOR UPDATE"), {"id": seat(event_id, 1)})
        holder = threading.Thread(target=lambda: done.append(work_lane(shop, event_id, last_look=last_look)))
        holder.start()
        until(lambda: lane_is_taken(engine, event_id), "the lane is taken")
        late = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 2),)), number=2)
        assert work_lane(shop, event_id, last_look=last_look).end is End.BUSY
        other.rollback()
    holder.join(20)
    assert done
    return booking(engine, late).state


def test_the_last_look_catches_a_booking_whose_wake_up_found_the_lane_taken(shop, engine):
    assert worked_while_the_lane_was_taken(shop, engine, last_look=True) is HELD


def test_without_the_last_look_that_booking_would_stay_undecided(shop, engine):
    assert worked_while_the_lane_was_taken(shop, engine, last_look=False) is QUEUED


@pytest.mark.parametrize("place", [1, 2, 57, 100, 120])
def test_a_booking_that_raises_ends_failed_and_the_others_wait_for_a_dozen_batches(shop, engine, place):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=100)])
    buyers = some_buyers(engine, 120)
    posted = [
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer)
        for number, buyer in enumerate(buyers, start=1)
    ]
    run_sql(
        engine,
        'UPDATE bookings SET wishes = \'[{"quantity": "poison"}]\' WHERE id = :id',
        id=posted[place - 1],
    )

    run = work_lane(shop, event_id, last_look=True, seconds_max=PATIENT)

    poisoned = posted.pop(place - 1)
    assert run.failed == (poisoned,)
    with engine.connect() as connection:
        row = connection.execute(text("SELECT state, reason FROM bookings WHERE id = :id"), {"id": poisoned}).one()
        logged = connection.execute(text("SELECT kind, body FROM sale_log WHERE kind = 'booking_failed'")).one()
    assert tuple(row) == ("failed", "lane_error")
    assert run.batches <= HALVED_MAX
    assert logged.body["booking_id"] == str(poisoned)
    # The others keep their order around it.
    assert states(engine, posted) == [HELD] * 100 + [UNAVAILABLE] * 19


def test_two_poisoned_bookings_next_to_each_other_both_fail_alone(shop, engine):
    event_id = an_event(engine)
    posted = [a_booking(engine, event_id, Wish(quantity=1), number=number) for number in range(1, 7)]
    run_sql(engine, "UPDATE bookings SET wishes = '[3]' WHERE number IN (3, 4)")

    run = work_lane(shop, event_id, last_look=True, seconds_max=PATIENT)

    assert run.failed == (posted[2], posted[3])
    assert states(engine, [posted[0], posted[1], posted[4], posted[5]]) == [HELD] * 4


def test_a_record_that_is_busy_fails_nobody(shop, engine):
    event_id = an_event(engine)
    posted = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    with engine.connect() as other:
        other.execute(text("SELECT 1 FROM tickets WHERE id = :id FOR UPDATE"), {"id": seat(event_id, 1)})
        interrupted = work_lane(shop, event_id, last_look=True)
        other.rollback()

    run = work_lane(shop, event_id, last_look=True)

    assert (interrupted.end, interrupted.failed) == (End.INTERRUPTED, ())
    assert (run.end, run.decided) == (End.DRAINED, 1)
    assert booking(engine, posted).state is HELD


def test_a_seat_taken_behind_the_workers_back_is_noticed_and_the_batch_redone(shop, engine):
    event_id = an_event(engine)
    first = a_booking(engine, event_id, Wish(quantity=1), number=1)
    work_lane(shop, event_id, last_look=True)
    (taken,) = [one for one, state in ticket_states(engine, event_id).items() if state == "held"]
    # Wrong code somewhere takes every other seat but one, and does not count the section's change.
    free = seat(event_id, 9)
    run_sql(
        engine,
        "UPDATE tickets SET state = 'held', booking_id = :booking, held_until = now(), version = version + 1"
        " WHERE event_id = :event AND id NOT IN (:taken, :free)",
        booking=first,
        event=event_id,
        taken=taken,
        free=free,
    )

    second = a_booking(engine, event_id, Wish(quantity=1), number=2)
    run = work_lane(shop, event_id, last_look=True)

    assert (run.end, run.decided) == (End.DRAINED, 1)
    assert booking(engine, second).state is HELD
    assert ticket_states(engine, event_id)[free] == "held"


def test_a_freed_seat_is_found_again_without_reading_the_house(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Box", 1000, rows=1, seats_per_row=1)])
    first = a_booking(engine, event_id, Wish(quantity=1), number=1)
    second = a_booking(engine, event_id, Wish(quantity=1), number=2)
    work_lane(shop, event_id, last_look=True)
    let_the_hold_run_out(engine, first)
    from_sweep = sweep(shop)

    third = a_booking(engine, event_id, Wish(quantity=1), number=3)
    work_lane(shop, event_id, last_look=True)

    assert from_sweep.expired == 1
    assert states(engine, [first, second, third]) == [BookingState.EXPIRED, UNAVAILABLE, HELD]


def test_a_long_lane_stops_at_its_limit_and_wakes_itself(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=30)])
    buyers = some_buyers(engine, BATCHES_MAX + 1)
    posted = [a_booking(engine, event_id, Wish(quantity=1), number=n, buyer_id=b) for n, b in enumerate(buyers, 1)]
    shop.wakes.lane_started(event_id)

    run = work_lane(shop, event_id, last_look=True, batch_max=1, seconds_max=PATIENT)

    assert (run.end, run.batches) == (End.UNFINISHED, BATCHES_MAX)
    assert states(engine, posted) == [HELD] * BATCHES_MAX + [QUEUED]
    # The wake-up is under way: another one is not needed.
    assert shop.wakes.wake_lane(event_id) is False


def test_hands_free_bookings_are_queued_when_the_queue_has_reached_them_and_not_before(shop, engine):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=60))
    open_queue(shop, event_id)
    buyers = [a_buyer(engine) for _ in range(6)]
    numbers = [shop.store.join(event_id, buyer, address="192.0.2.1").number for buyer in buyers]
    posted = [
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer, state=BookingState.WAITING)
        for number, buyer in zip(numbers, buyers, strict=True)
    ]
    for number in numbers:
        shop.store.stay(event_id, number)
    until(lambda: shop.store.advance(event_id).serving >= 2, "two numbers are admitted")

    serving = shop.store.snapshot(event_id).serving
    work_lane(shop, event_id, last_look=True)

    reached = [HELD] * serving + [BookingState.WAITING] * (len(posted) - serving)
    assert serving < len(posted)
    assert states(engine, posted) == reached


def test_a_queue_that_is_away_stops_no_booking_that_is_already_queued(shop, engine, redis_client):
    event_id = an_event(engine)
    queued = a_booking(engine, event_id, Wish(quantity=1), number=1)
    waiting = a_booking(engine, event_id, Wish(quantity=1), number=2, state=BookingState.WAITING)
    redis_client.flushall()

    run = work_lane(shop, event_id, last_look=True)

    assert run.end is End.DRAINED
    assert states(engine, [queued, waiting]) == [HELD, BookingState.WAITING]


def test_the_allocator_agrees_that_nothing_was_sold_twice(shop, engine):
    event_id = an_event(engine)
    for number in range(1, 16):
        a_booking(engine, event_id, Wish(quantity=2, together=False), number=number)

    work_lane(shop, event_id, last_look=True)

    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT ticket_id, count(*) FROM booking_tickets WHERE released_at IS NULL GROUP BY ticket_id")
        ).all()
    assert len(rows) == 10
    assert {times for _, times in rows} == {1}


def test_a_schema_that_does_not_fit_the_code_fails_nobody(shop, engine):
    event_id = an_event(engine)
    posted = a_booking(engine, event_id, Wish(quantity=1), number=1)
    run_sql(engine, "ALTER TABLE booking_tickets RENAME COLUMN price_minor TO price")

    interrupted = work_lane(shop, event_id, last_look=True)
    run_sql(engine, "ALTER TABLE booking_tickets RENAME COLUMN price TO price_minor")
    work_lane(shop, event_id, last_look=True)

    assert (interrupted.end, interrupted.failed) == (End.INTERRUPTED, ())
    assert booking(engine, posted).state is HELD
