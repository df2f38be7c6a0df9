"""A booking made before its turn ends also when its turn never comes: the house is sold out, or the queue is closed."""

from __future__ import annotations

from onsale.db.queue_settings import Phase
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.admissions import tell_stock
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.resend import resend
from tests.builders import a_booking, an_event, open_queue, run_sql, set_queue, states

WAITING = BookingState.WAITING
SELL_ALL = "UPDATE tickets SET state = 'sold', booking_id = gen_random_uuid() WHERE event_id = :event_id"
HOLD_ONE = """
    UPDATE tickets SET state = 'held', held_until = now() + interval '1 minute'
     WHERE event_id = :event_id AND id = (SELECT min(id) FROM tickets)
"""


def test_who_waits_hands_free_is_told_once_the_last_ticket_is_sold(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    ids = [a_booking(engine, event_id, Wish(quantity=1), number=number, state=WAITING) for number in (7, 5, 9)]
    run_sql(engine, SELL_ALL, event_id=event_id)
    tell_stock(shop, event_id)

    woken = resend(shop).lanes
    work_lane(shop, event_id, last_look=True)

    assert woken == (event_id,)
    assert states(engine, ids) == [BookingState.SOLD_OUT] * 3


def test_who_waits_hands_free_goes_on_waiting_while_a_held_ticket_may_come_back(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    waits = a_booking(engine, event_id, Wish(quantity=1), number=7, state=WAITING)
    run_sql(engine, SELL_ALL, event_id=event_id)
    run_sql(engine, HOLD_ONE, event_id=event_id)
    tell_stock(shop, event_id)

    woken = resend(shop).lanes
    work_lane(shop, event_id, last_look=True)

    assert woken == ()
    assert states(engine, [waits]) == [WAITING]


def test_the_record_not_the_queues_copy_says_that_it_is_sold_out(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    waits = a_booking(engine, event_id, Wish(quantity=1), number=7, state=WAITING)
    shop.store.set_stock(event_id, [], free=0, held=0)

    work_lane(shop, event_id, last_look=True)

    assert states(engine, [waits]) == [WAITING]


def test_who_waits_hands_free_is_cancelled_when_the_queue_is_closed(shop, engine):
    event_id, other = an_event(engine), an_event(engine)
    closed = a_booking(engine, event_id, Wish(quantity=1), number=1, state=WAITING)
    waits = a_booking(engine, other, Wish(quantity=1), number=1, state=WAITING)
    set_queue(engine, event_id, phase=Phase.CLOSED)

    swept = sweep(shop)

    assert swept.closed == 1
    assert states(engine, [closed, waits]) == [BookingState.CANCELLED, WAITING]
