"""Who is away when their saved card needs them is written to, and their tickets are kept for longer."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from onsale.db import buyers, charges
from onsale.db.engine import transaction
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, an_event, booking, run_sql
from tests.services.post_office import ADA, DECLINED, THREE_D_SECURE, a_reader, hands_free, letters_of
from tests.services.small_sale import verified

PAY, AWAY = timedelta(seconds=600), timedelta(seconds=1_800)


def left(shop, booking_id):
    """How long the booking is held from now, and each of its tickets."""
    query = """
        SELECT b.hold_until - clock_timestamp() AS left, t.held_until = b.hold_until AS same
          FROM bookings b JOIN tickets t ON t.event_id = b.event_id AND t.booking_id = b.id WHERE b.id = :id"""
    with shop.engine.connect() as connection:
        row = connection.execute(text(query), {"id": booking_id}).one()
    assert row.same
    return row.left


@pytest.mark.parametrize("card", [THREE_D_SECURE, DECLINED])
def test_who_is_written_to_has_the_events_longer_time(paying_shop, card):
    booking_id = hands_free(paying_shop, card)

    assert [letter.kind.value for letter in letters_of(paying_shop.engine, booking_id)] == ["needs_buyer"]
    assert AWAY - timedelta(seconds=60) < left(paying_shop, booking_id) <= AWAY
    found = verified(paying_shop, booking(paying_shop.engine, booking_id).event_id, agree_seconds=0.0).findings
    assert [one for one in found if one.invariant == "I7" and not one.ok] == []


@pytest.mark.parametrize("card", [THREE_D_SECURE, DECLINED])
def test_whom_no_letter_reaches_has_no_more_time_than_anybody(paying_shop, card):
    booking_id = hands_free(paying_shop, card, email=None)

    assert left(paying_shop, booking_id) <= PAY


def test_an_organiser_who_gives_less_takes_nothing_away(paying_shop):
    hasty = (
        "CREATE FUNCTION hasty() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.away_pay_seconds := 5; RETURN NEW; END'"
    )
    run_sql(paying_shop.engine, hasty)
    run_sql(paying_shop.engine, "CREATE TRIGGER hasty BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION hasty()")
    booking_id = hands_free(paying_shop, THREE_D_SECURE)

    assert PAY - timedelta(seconds=60) < left(paying_shop, booking_id) <= PAY


def test_who_comes_back_after_the_usual_time_still_gets_the_tickets(paying_shop):
    booking_id = hands_free(paying_shop, THREE_D_SECURE)
    with transaction(paying_shop.engine) as connection:
        charge = charges.charge_of(connection, booking_id)
    assert charge is not None
    assert charge.attempt is not None

    httpx.post(charge.attempt.next_action_url, data={"outcome": "complete"})
    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED


def test_the_second_card_of_a_buyer_who_is_there_gives_no_more_time(paying_shop):
    booking_id = hands_free(paying_shop, DECLINED, email=ADA)
    with transaction(paying_shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=DECLINED, return_url="https://shop.example/back")
    before = booking(paying_shop.engine, booking_id).hold_until

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).hold_until == before


def test_a_card_saved_with_its_bank_is_charged_without_its_owner(paying_shop):
    """4000 0025 0000 3155: the bank asks whenever the owner is there, and lets the saved card pass when not."""
    provider, buyer_id = paying_shop.provider, a_reader(paying_shop.engine)
    customer = provider.create_customer(buyer_id=buyer_id)
    card = "pm_card_authenticationRequiredOnSetup"
    back = "https://shop.example/back"
    setup = provider.create_setup_intent(customer_id=customer, key="save", payment_method=card, return_url=back)
    httpx.post(setup.next_action_url, data={"outcome": "complete"})
    with transaction(paying_shop.engine) as connection:
        buyers.set_customer(connection, buyer_id, customer)
    event_id = an_event(paying_shop.engine)
    booking_id = a_booking(
        paying_shop.engine,
        event_id,
        Wish(quantity=1),
        number=1,
        buyer_id=buyer_id,
        payment_method=provider.retrieve_setup_intent(setup.id).payment_method,
    )
    work_lane(paying_shop, event_id, last_look=True)

    resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
