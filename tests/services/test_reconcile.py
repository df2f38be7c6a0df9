"""What got lost on the way is found in the record and sent again: wake-ups, payments, intents nobody needs any more."""

from __future__ import annotations

import json

from onsale.db import charges
from onsale.db.engine import transaction
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.queue.client import connect
from onsale.workers.lanes import work_lane
from onsale.workers.payment_steps import Step
from onsale.workers.payments import STEPS
from onsale.workers.reconcile import reconcile
from onsale.workers.resend import resend
from tests.builders import a_booking, a_buyer, an_event, open_queue, run_sql, set_queue

VISA = "pm_card_visa"


def test_a_lane_whose_wake_up_was_lost_is_woken_and_one_that_is_paused_is_not(shop, engine):
    lost, paused = an_event(engine), an_event(engine)
    a_booking(engine, lost, Wish(quantity=1), number=1)
    a_booking(engine, paused, Wish(quantity=1), number=1)
    set_queue(engine, paused, selling=False)

    early = resend(shop, older_than_seconds=60)
    resent = resend(shop, older_than_seconds=0)

    assert early.lanes == ()
    assert resent.lanes == (lost,)


def test_a_hands_free_booking_whose_turn_came_unnoticed_is_woken(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    buyer_id = a_buyer(engine)
    number = shop.store.join(event_id, buyer_id, address="192.0.2.1").number
    a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id, state=BookingState.WAITING)

    before = resend(shop, older_than_seconds=0)
    shop.store.advance(event_id)
    after = resend(shop, older_than_seconds=0)

    assert before.lanes == ()
    assert after.lanes == (event_id,)


def test_a_saved_card_nobody_tried_is_woken_and_one_that_was_declined_is_not(shop, engine):
    event_id = an_event(engine)
    with_card = a_booking(engine, event_id, Wish(quantity=1), number=1, payment_method=VISA)
    a_booking(engine, event_id, Wish(quantity=1), number=2)
    work_lane(shop, event_id, last_look=True)

    resent = resend(shop, older_than_seconds=0)
    with transaction(engine) as connection:
        attempt = charges.new_attempt(connection, with_card, payment_method=VISA).attempt
        charges.declined(connection, with_card, attempt, decline_code="no", message="No.")

    assert resent.payments == (with_card,)
    assert resend(shop, older_than_seconds=0).payments == ()


def test_a_payment_that_stands_still_is_found_and_one_under_way_is_not(paying_shop, engine):
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(quantity=1), number=1)
    work_lane(paying_shop, event_id, last_look=True)
    with transaction(engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=VISA)

    moving = reconcile(paying_shop, stuck_seconds=60)
    stuck = reconcile(paying_shop, stuck_seconds=0)
    with transaction(engine) as connection:
        assert charges.claim(connection, booking_id)
    claimed = reconcile(paying_shop, stuck_seconds=0)

    assert (moving.stuck, stuck.stuck, claimed.stuck) == ((), (booking_id,), ())


def test_an_intent_left_over_by_a_booking_that_ended_is_found_until_it_is_cancelled(paying_shop, engine):
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(quantity=1), number=1)
    work_lane(paying_shop, event_id, last_look=True)
    with transaction(engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=VISA)
        charge = charges.charge_of(connection, booking_id)
    STEPS[Step.AUTHORISE](paying_shop, charge)
    run_sql(
        engine,
        "UPDATE bookings SET state = 'expired', version = version + 1, ended_at = clock_timestamp() WHERE id = :id",
        id=booking_id,
    )

    found = reconcile(paying_shop, left_over_seconds=0)

    assert found.left_over == (booking_id,)


def test_a_wake_up_goes_by_the_default_exchange_whatever_redis_forgot(shop, engine, redis_client):
    # On Redis a named exchange loses its queues with a FLUSHALL and drops what is published to it.
    event_id = an_event(engine)
    shop.wakes.wake_lane(event_id)
    redis_client.flushall()

    shop.wakes.wake_lane(event_id)

    broker = connect(shop.config.broker_url)
    (message,) = broker.lrange("lanes", 0, -1)
    broker.close()
    assert json.loads(message)["properties"]["delivery_info"] == {"exchange": "", "routing_key": "lanes"}
