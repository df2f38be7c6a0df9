"""The sweeper puts tickets on sale again at their deadline: all of them, once, and none too early."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from onsale.db.catalogue import NewSection
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.expiry import SWEEP_MAX, sweep
from onsale.workers.lanes import work_lane
from tests.builders import (
    a_booking,
    an_event,
    booking,
    let_the_hold_run_out,
    open_queue,
    run_sql,
    seat,
    some_buyers,
    ticket_states,
)

HELD, EXPIRED = BookingState.HELD, BookingState.EXPIRED
# Hundreds of bookings are more than one task's second may decide on a busy machine.
PATIENT = 60.0


def test_a_hold_past_its_deadline_ends_and_one_before_it_does_not(shop, engine):
    event_id = an_event(engine)
    late = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1), seat(event_id, 2))), number=1)
    in_time = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 3),)), number=2)
    work_lane(shop, event_id, last_look=True)
    let_the_hold_run_out(engine, late)

    swept = sweep(shop)

    assert swept.expired == 1
    assert (booking(engine, late).state, booking(engine, in_time).state) == (EXPIRED, HELD)
    free = [one for one, state in ticket_states(engine, event_id).items() if state == "free"]
    assert seat(event_id, 1) in free
    assert seat(event_id, 2) in free
    assert seat(event_id, 3) not in free


def test_a_freed_seat_is_no_longer_known_as_taken(shop, engine):
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=True)
    taken = shop.ticket_cache.taken([seat(event_id, 1), seat(event_id, 2)])
    let_the_hold_run_out(engine, booking_id)

    sweep(shop)

    assert taken == {seat(event_id, 1)}
    assert shop.ticket_cache.taken([seat(event_id, 1), seat(event_id, 2)]) == frozenset()


def test_four_sweepers_at_once_end_each_hold_once(shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=SWEEP_MAX + 1)])
    buyers = some_buyers(engine, SWEEP_MAX + 1)
    for number, buyer_id in enumerate(buyers, start=1):
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id)
    work_lane(shop, event_id, last_look=True, seconds_max=PATIENT)
    run_sql(engine, "UPDATE bookings SET hold_until = clock_timestamp() - interval '1 second'")

    with ThreadPoolExecutor(4) as sweepers:
        swept = [one.result(30) for one in [sweepers.submit(sweep, shop) for _ in range(4)]]
    # Who found another at it went away, so one more makes sure that it is done.
    last = sweep(shop)

    assert sum(one.expired for one in [*swept, last]) == SWEEP_MAX + 1
    with engine.connect() as connection:
        moves = connection.execute(
            text("SELECT count(*), count(DISTINCT booking_id) FROM booking_history WHERE to_state = 'expired'")
        ).one()
    assert tuple(moves) == (SWEEP_MAX + 1, SWEEP_MAX + 1)


def test_the_slot_of_an_expired_hold_goes_to_the_next_in_the_queue(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    (buyer_id,) = some_buyers(engine, 1)
    number = shop.store.join(event_id, buyer_id, address="192.0.2.1").number
    shop.store.advance(event_id)
    shop.store.enter(event_id, str(number))
    booking_id = a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id)
    work_lane(shop, event_id, last_look=True)
    holding = shop.store.snapshot(event_id).holding
    let_the_hold_run_out(engine, booking_id)

    sweep(shop)

    assert holding == 1
    assert shop.store.snapshot(event_id).active == 0
