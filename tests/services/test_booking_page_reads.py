"""A booking's page reads four things one after the other; a lane may decide in between, and the page still holds."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
from sqlalchemy import create_engine, event

from onsale.db import house_reading, lane
from onsale.db.allocation import allocate
from onsale.db.engine import transaction
from onsale.db.house import House
from onsale.db.wishes import Wish
from onsale.web.pages.booking_views import booking_view
from tests.builders import a_booking, an_event, booking


def decide(engine, event_id):
    with transaction(engine) as connection:
        batch = lane.read_batch(connection, event_id)
        house = House()
        named = house_reading.prepare_house(connection, event_id, house, batch)
        lane.write_batch(connection, event_id, allocate(batch.requests, house, named), snapshot=batch.snapshot)


def test_a_booking_decided_while_its_page_is_read_is_shown_as_it_was_and_whole_the_next_time(engine, record_url):
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(quantity=2), number=1)
    buyer_id = booking(engine, booking_id).buyer_id
    page_engine = create_engine(record_url)
    office = SimpleNamespace(engine=page_engine)
    reads = []

    @event.listens_for(page_engine, "after_execute")
    def decide_after_the_first_read(*_):
        reads.append(1)
        if len(reads) == 1:
            decide(engine, event_id)

    torn = booking_view(office, booking_id, buyer_id)
    whole = booking_view(office, booking_id, buyer_id)
    page_engine.dispose()

    assert (torn.booking.state, torn.booking.amount_minor, torn.tickets) == ("queued", None, ())
    assert [move.to_state for move in torn.history] == ["queued"]
    assert (whole.booking.state, len(whole.tickets)) == ("held", 2)
    assert whole.booking.amount_minor == sum(ticket.price_minor for ticket in whole.tickets)


def test_who_comes_from_a_letter_and_is_not_signed_in_is_asked_to_and_goes_on(web, engine):
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(quantity=1), number=1)
    one_that_is_not_there = f"{str(booking_id)[:-1]}{'0' if str(booking_id)[-1] != '0' else '1'}"

    answers = [httpx.get(f"{web.address}/bookings/{each}") for each in (booking_id, one_that_is_not_there)]

    # Whether there is such a booking is not told.
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].headers["Location"] == f"/sign-in?next=/bookings/{booking_id}"
