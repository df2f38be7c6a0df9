"""The provider's own form in a real browser, with a stand-in for its script: Stripe's own can not be run by a test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from onsale.db.ids import BookingId, BuyerId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, an_event, booking, seat, until
from tests.services.serving import serving

SCRIPT = Path(__file__).with_name("fake_stripe.js").read_text(encoding="utf-8")
PAY = "Pay €45.00"


@dataclass
class Checkout:
    """A booking's page in a browser, and the worker that the test is."""

    page: Page
    shop: Any
    booking_id: BookingId

    def bank_answers(self) -> BookingState:
        """What the worker does when the form was sent."""
        until(lambda: self.state is BookingState.AUTHORISING, "the card has arrived")
        resume(self.shop, self.booking_id)
        return self.state

    @property
    def state(self) -> BookingState:
        return booking(self.shop.engine, self.booking_id).state


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def checkout(chromium: Browser, config: Any, paying_shop: Any, complaints: list[str]) -> Iterator[Checkout]:
    """The web pays at Stripe, whose addresses are answered here; the worker pays at the simulator."""
    event_id = an_event(paying_shop.engine)
    with serving(replace(config, stripe_api_base="https://api.stripe.com")) as web:
        person = web.guest()
        wish = Wish(tickets=(seat(event_id, 1),))
        booking_id = a_booking(paying_shop.engine, event_id, wish, number=1, buyer_id=BuyerId(UUID(person.id)))
        work_lane(paying_shop, event_id, last_look=True)
        context = chromium.new_context(base_url=web.address)
        context.add_cookies([{"name": "onsale_buyer", "value": person.token, "url": web.address}])
        context.route("https://*.stripe.com/**", stripe)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield Checkout(page, paying_shop, booking_id)
        context.close()


def stripe(route: Route) -> None:
    if route.request.url.endswith("/stripe.js"):
        route.fulfill(body=SCRIPT, content_type="text/javascript")
    else:
        route.fulfill(body="<p>card", content_type="text/html", headers={"Access-Control-Allow-Origin": "*"})


def test_the_form_gives_the_card_a_name_and_the_booking_is_paid(checkout, complaints):
    page = checkout.page
    page.goto(f"/bookings/{checkout.booking_id}")
    page.get_by_role("button", name=PAY).click()
    state = checkout.bank_answers()

    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible()
    assert state is BookingState.CONFIRMED
    assert complaints == []


def test_the_form_is_made_for_this_payment(checkout, complaints):
    page = checkout.page
    page.goto(f"/bookings/{checkout.booking_id}")
    expect(page.get_by_role("button", name=PAY)).to_be_enabled()

    key, options, mounted = page.evaluate("window.asked")

    assert key == {"key": "pk_test_of_the_tests"}
    assert options["options"] == {
        "mode": "payment",
        "amount": 4500,
        "currency": "eur",
        "captureMethod": "manual",
        "paymentMethodCreation": "manual",
        "allowedPaymentMethodTypes": ["card"],
        "appearance": {"theme": "stripe"},
    }
    assert mounted == {"kind": "payment", "where": "#payment-element"}
    assert complaints == []


def test_a_card_typed_wrong_is_told_and_nothing_is_sent(checkout, complaints):
    page = checkout.page
    page.goto(f"/bookings/{checkout.booking_id}")
    page.evaluate("window.problem = 'Your card number is incomplete.'")

    page.get_by_role("button", name=PAY).click()

    expect(page.get_by_role("alert")).to_have_text("Your card number is incomplete.")
    expect(page.get_by_role("button", name=PAY)).to_be_enabled()
    assert checkout.state is BookingState.HELD
    page.evaluate("window.problem = ''")
    page.get_by_role("button", name=PAY).click()
    assert checkout.bank_answers() is BookingState.CONFIRMED
    assert complaints == []


def test_after_a_declined_card_the_form_is_there_again_and_takes_another(checkout, complaints):
    page = checkout.page
    page.goto(f"/bookings/{checkout.booking_id}")
    page.evaluate("window.card = 'pm_card_chargeDeclined'")
    page.get_by_role("button", name=PAY).click()
    assert checkout.bank_answers() is BookingState.HELD

    expect(page.get_by_text("The card was declined.")).to_be_visible()
    page.get_by_role("button", name=PAY).click()

    assert checkout.bank_answers() is BookingState.CONFIRMED
    assert complaints == []


def test_a_form_that_cannot_be_loaded_says_so(checkout):
    page = checkout.page
    page.context.route("https://js.stripe.com/**", lambda route: route.abort())

    page.goto(f"/bookings/{checkout.booking_id}")

    expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    expect(page.get_by_role("button", name=PAY)).to_be_disabled()


def test_without_javascript_the_page_says_what_is_needed(checkout, chromium):
    cookies = checkout.page.context.cookies()
    checkout.page.goto(f"/bookings/{checkout.booking_id}")
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()

    page.goto(checkout.page.url)

    expect(page.locator("noscript .note")).to_be_visible()
    context.close()
