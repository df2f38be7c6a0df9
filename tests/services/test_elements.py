"""The provider's own form on a booking's page: there before the real provider alone, and only that page may load it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import httpx
import pytest

from onsale.config import Config
from onsale.db import charges
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.web import elements
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, an_event, booking, seat
from tests.services.serving import Web, serving

STRIPE = "https://api.stripe.com"


@pytest.fixture
def at_stripe(config: Config) -> Iterator[Web]:
    """A web whose payments are Stripe's."""
    with serving(replace(config, stripe_api_base=STRIPE)) as running:
        yield running


def a_page(web: Web, shop) -> tuple[httpx.Client, BookingId]:
    """A buyer's browser, and their booking that is to be paid."""
    person = web.guest()
    event_id = an_event(shop.engine)
    wish = Wish(tickets=(seat(event_id, 1),))
    booking_id = a_booking(shop.engine, event_id, wish, number=1, buyer_id=BuyerId(UUID(person.id)))
    work_lane(shop, event_id, last_look=True)
    return httpx.Client(base_url=web.address, cookies={"onsale_buyer": person.token}, timeout=20), booking_id


def sources(answer: httpx.Response) -> dict[str, set[str]]:
    parts = (part.split() for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: set(allowed) for name, *allowed in parts}


def test_at_stripe_the_page_has_its_form_and_no_test_card(at_stripe, shop):
    browser, booking_id = a_page(at_stripe, shop)

    page = browser.get(f"/bookings/{booking_id}").text

    assert 'data-provider="https://js.stripe.com/endive/stripe.js"' in page
    form = re.search(r'<form id="pay-form".*?</form>', page, re.DOTALL)
    assert form is not None
    for told in ('data-key="pk_test_of_the_tests"', 'data-amount="4500"', 'data-currency="eur"', 'data-methods="card"'):
        assert told in form[0]
    assert "pm_card_visa" not in page
    assert "<noscript>" in page


def test_before_a_simulator_the_page_has_test_cards_and_loads_nothing_from_elsewhere(web, shop):
    browser, booking_id = a_page(web, shop)

    answer = browser.get(f"/bookings/{booking_id}")

    assert "pm_card_visa" in answer.text
    assert "stripe.com" not in answer.text
    assert "http" not in answer.headers["Content-Security-Policy"]
    assert "payment=()" in answer.headers["Permissions-Policy"]


def test_only_the_page_of_the_form_may_load_it_and_nothing_more(at_stripe, shop):
    browser, booking_id = a_page(at_stripe, shop)

    answer = browser.get(f"/bookings/{booking_id}")
    allowed, strict = sources(answer), sources(browser.get("/bookings"))

    js = {"https://js.stripe.com", "https://*.js.stripe.com"}
    assert allowed == strict | {
        "script-src": {"'self'"} | js,
        "connect-src": {"'self'", STRIPE},
        "frame-src": {"https://hooks.stripe.com"} | js,
    }
    assert 'payment=(self "https://js.stripe.com")' in answer.headers["Permissions-Policy"]
    for path in ("/", "/bookings", "/search", "/sign-in", f"/v1/bookings/{booking_id}"):
        assert "stripe" not in str(browser.get(path).headers), path


@pytest.mark.parametrize("card", ["", "card_1", "pm_card visa", "seti_1", "pm_" + "x" * 200])
def test_what_is_no_name_of_a_card_is_not_tried(at_stripe, shop, card):
    browser, booking_id = a_page(at_stripe, shop)

    pay(browser, booking_id, card)

    assert booking(shop.engine, booking_id).state is BookingState.HELD


def test_the_name_that_stripe_gave_is_tried_once_however_often_the_form_is_sent(at_stripe, shop):
    browser, booking_id = a_page(at_stripe, shop)
    fields = form_of(browser, booking_id)

    for _ in range(2):
        answer = browser.post(f"/bookings/{booking_id}/payment", data=fields | {"payment_method": "pm_1RealOne"})
        assert answer.status_code == 303

    assert booking(shop.engine, booking_id).state is BookingState.AUTHORISING
    with transaction(shop.engine) as connection:
        attempt = charges.newest_attempt(connection, booking_id)
    assert attempt is not None
    assert (attempt.attempt, attempt.payment_method) == (1, "pm_1RealOne")


def test_the_script_is_of_the_release_that_the_calls_are_written_for():
    # From the declarations of @stripe/stripe-js 10.2.1: its release train is the second half of the API's version.
    assert elements.SCRIPT == "https://js.stripe.com/endive/stripe.js"


def pay(browser: httpx.Client, booking_id: BookingId, card: str) -> None:
    fields = form_of(browser, booking_id) | {"payment_method": card}
    assert browser.post(f"/bookings/{booking_id}/payment", data=fields).status_code == 303


def form_of(browser: httpx.Client, booking_id: BookingId) -> dict[str, str]:
    page = browser.get(f"/bookings/{booking_id}").text
    form = re.search(r'<form id="pay-form".*?</form>', page, re.DOTALL)
    assert form is not None
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0]))
