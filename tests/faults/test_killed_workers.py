"""A worker killed in the middle of its work loses nothing, and does nothing twice."""

from __future__ import annotations

import time

import httpx
import pytest
from sqlalchemy import text

from onsale.db import charges
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.reconcile import reconcile
from onsale.workers.resend import resend
from tests.builders import (
    a_booking,
    an_event,
    booking,
    lane_is_taken,
    open_queue,
    seat,
    some_buyers,
    states,
    ticket_states,
    until,
)
from tests.worker_processes import kill, running, said

HELD, QUEUED, CONFIRMED = BookingState.HELD, BookingState.QUEUED, BookingState.CONFIRMED
VISA = "pm_card_visa"
PEOPLE = 120

pytestmark = pytest.mark.slow


@pytest.fixture
def with_simulator(settings, simulator):
    return {**settings, "ONSALE_STRIPE_API_BASE": simulator, "ONSALE_LOG_FORMAT": "console"}


def test_a_lane_worker_killed_in_mid_lane_loses_no_booking_and_sells_no_seat_twice(shop, engine, settings, tmp_path):
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=100)])
    buyers = some_buyers(engine, PEOPLE)
    posted = [
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id)
        for number, buyer_id in enumerate(buyers, start=1)
    ]
    with engine.connect() as other:
        # A seat is kept busy, so that the worker stands in the middle of its batch with the lane in its hands.
        other.execute(text("SELECT 1 FROM tickets WHERE id = :id FOR UPDATE"), {"id": seat(event_id, 50)})
        with running("lanes", settings, tmp_path) as worker:
            shop.wakes.wake_lane(event_id)
            until(lambda: lane_is_taken(engine, event_id), "the worker is in the lane")
            kill(worker)
        other.rollback()
    until(lambda: not lane_is_taken(engine, event_id), "the lane is free again")
    undecided = states(engine, posted)

    with running("lanes", settings, tmp_path):
        until(lambda: resent_until_decided(shop, engine, posted), "every booking is decided")

    assert undecided == [QUEUED] * PEOPLE
    assert states(engine, posted) == [HELD] * 100 + [BookingState.UNAVAILABLE] * (PEOPLE - 100)
    assert set(ticket_states(engine, event_id).values()) == {"held"}


def resent_until_decided(shop, engine, posted) -> bool:
    # As the sweeps worker does once a second.
    resend(shop, older_than_seconds=0)
    time.sleep(0.2)
    return QUEUED not in states(engine, posted)


def test_a_payment_worker_killed_while_the_bank_works_charges_once(paying_shop, engine, with_simulator, tmp_path):
    shop = paying_shop
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1, payment_method=VISA)
    with running("lanes", with_simulator, tmp_path):
        shop.wakes.wake_lane(event_id)
        until(lambda: booking(engine, booking_id).state is HELD, "the seat is held")
    bank(shop, delay_ms=1500)

    with running("payments", with_simulator, tmp_path) as worker:
        shop.wakes.wake_authorise([booking_id])
        until(lambda: intent_of(engine, booking_id), "the intent is made; its confirmation is on the way")
        kill(worker)
    interrupted = booking(engine, booking_id).state
    bank(shop, delay_ms=0)
    until(lambda: reconcile(shop).forsaken == (booking_id,), "its lease is given back")
    with running("payments", with_simulator, tmp_path):
        until(lambda: booking(engine, booking_id).state is CONFIRMED, "the payment is finished")

    assert interrupted is BookingState.AUTHORISING
    intent = shop.provider.retrieve_intent(intent_of(engine, booking_id))
    assert intent.captured_minor == 4500


def bank(shop, **settings) -> None:
    httpx.post(
        f"{shop.config.stripe_api_base}/_simulator/settings",
        json=settings,
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    ).raise_for_status()


def intent_of(engine, booking_id) -> str | None:
    with transaction(engine) as connection:
        charge = charges.charge_of(connection, booking_id)
    return charge.payment.intent_id if charge and charge.payment else None


def test_all_workers_together_carry_hands_free_bookings_from_waiting_to_confirmed(
    paying_shop, engine, with_simulator, tmp_path, redis_client
):
    shop = paying_shop
    event_id = an_event(engine, sections=[NewSection(1, "Standing", 1000, standing=20)])
    open_queue(shop, event_id)
    people = some_buyers(engine, 25)
    posted = []
    for buyer_id in people:
        number = shop.store.join(event_id, buyer_id, address="192.0.2.1").number
        shop.store.stay(event_id, number)
        posted.append(
            a_booking(
                engine,
                event_id,
                Wish(quantity=1),
                number=number,
                buyer_id=buyer_id,
                state=BookingState.WAITING,
                payment_method=VISA,
            )
        )

    with (
        running("sweeps", with_simulator, tmp_path),
        running("lanes", with_simulator, tmp_path),
        running("payments", with_simulator, tmp_path),
        running("admit", with_simulator, tmp_path),
    ):
        until(lambda: states(engine, posted).count(CONFIRMED) == 20, "twenty are confirmed", seconds=60)

    assert states(engine, posted)[:20] == [CONFIRMED] * 20
    for name in ("sweeps", "lanes", "payments", "admit"):
        log = said(tmp_path / f"{name}.log")
        assert "Traceback" not in log, log
        assert with_simulator["ONSALE_STRIPE_SECRET_KEY"] not in log


def test_a_broker_that_forgot_everything_is_made_up_for_by_the_sweeps(
    paying_shop, engine, with_simulator, tmp_path, redis_client
):
    shop = paying_shop
    event_id = an_event(engine)
    with (
        running("sweeps", with_simulator, tmp_path),
        running("lanes", with_simulator, tmp_path),
        running("payments", with_simulator, tmp_path),
    ):
        redis_client.flushall()
        # Nobody wakes anybody.
        booking_id = a_booking(engine, event_id, Wish(quantity=1), number=1, payment_method=VISA)
        until(lambda: booking(engine, booking_id).state is CONFIRMED, "it is confirmed all the same", seconds=40)

    assert shop.provider.retrieve_intent(intent_of(engine, booking_id)).captured
