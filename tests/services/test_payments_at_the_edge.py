"""Payments that take another way: 3-D Secure beyond the hold, a second card on the same intent, a yes that is late.

Each over HTTP to web and bank, with the workers' own functions; what ends it, and what its buyer reads.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from onsale.config import Config
from onsale.db import charges
from onsale.db.engine import reading
from onsale.db.ids import BookingId
from onsale.db.wishes import Wish
from onsale.payments.provider import IntentStatus
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.reconcile import reconcile
from tests.builders import a_booking, an_event, let_the_hold_run_out, run_sql, seat, ticket_states
from tests.services.buyers_page import Buyer, answers_the_bank
from tests.services.serving import serving

VISA, MASTERCARD = "pm_card_visa", "pm_card_mastercard"
NO_FUNDS, THREE_D_SECURE = "pm_card_chargeDeclinedInsufficientFunds", "pm_card_threeDSecure2Required"
# Beyond the minute that the bank is asked for first.
LONG_OVER = 61


class Sale:
    """A buyer who holds the first seat, and the workers, who do what their wake-ups ask."""

    def __init__(self, shop: Any, web: Any) -> None:
        self.shop = shop
        self.event_id = an_event(shop.engine)
        self.seat = seat(self.event_id, 1)
        person = web.guest()
        self.id: BookingId = a_booking(
            shop.engine, self.event_id, Wish(tickets=(self.seat,)), number=1, buyer_id=person.id
        )
        work_lane(shop, self.event_id, last_look=True)
        self.buyer = Buyer(web, person, self.id)

    def carry_on(self) -> None:
        resume(self.shop, self.id)

    def sweeps(self) -> None:
        """The sweeper, and whom it wakes."""
        sweep(self.shop)
        resume(self.shop, self.id)

    def time_is_over(self, seconds: float = 1) -> None:
        let_the_hold_run_out(self.shop.engine, self.id, seconds=seconds)

    def seat_is(self) -> str:
        return ticket_states(self.shop.engine, self.event_id)[self.seat]

    def intent(self) -> Any:
        """The payment as the bank has it."""
        with reading(self.shop.engine) as connection:
            charge = charges.charge_of(connection, self.id)
        assert charge is not None
        assert charge.payment is not None
        return self.shop.provider.retrieve_intent(charge.payment.intent_id)

    def outcomes(self) -> list[tuple[str, str]]:
        """Every card tried, and what came of it."""
        statement = text("SELECT payment_method, outcome FROM payment_attempts WHERE booking_id = :id ORDER BY attempt")
        with reading(self.shop.engine) as connection:
            return [(card, outcome) for card, outcome in connection.execute(statement, {"id": self.id})]

    def intents_made(self) -> int:
        """How many payments the bank has of this shop: one per booking, whatever was tried."""
        address, key = self.shop.config.stripe_api_base, self.shop.config.stripe_secret_key
        answer = httpx.get(f"{address}/v1/payment_intents", headers={"Authorization": f"Bearer {key}"}, timeout=20)
        return len(answer.raise_for_status().json()["data"])


@pytest.fixture
def sale(paying_shop, settings, simulator):
    with serving(Config.from_env({**settings, "ONSALE_STRIPE_API_BASE": simulator})) as web:
        yield Sale(paying_shop, web)


def at_the_bank(sale: Sale) -> str:
    """The buyer's card wants 3-D Secure: the link on their page."""
    sale.buyer.pays(THREE_D_SECURE)
    sale.carry_on()
    shown = sale.buyer.page()
    assert (sale.buyer.api()["state"], shown.title) == ("requires_action", "Your bank wants you to confirm")
    assert ("now", "Your bank asks you to confirm") in shown.timeline
    return shown.bank_link


def test_a_paid_booking_reads_authorised_then_secured_then_captured(sale):
    before = sale.buyer.page()
    sale.buyer.pays(VISA)
    sale.carry_on()

    after, told = sale.buyer.page(), sale.buyer.api()["timeline"]

    to_come = [("ahead", "Card authorised"), ("ahead", "Tickets secured"), ("ahead", "Payment captured")]
    assert before.timeline[-4:] == [("now", "Tickets held for you"), *to_come]
    assert after.timeline[-3:] == [("done", words) for _, words in to_come]
    assert [(step["standing"], step["words"]) for step in told] == after.timeline
    times = [step["at"] for step in told]
    assert times == sorted(times)
    assert before.html.count('aria-current="step"') == 1
    assert 'aria-current="step"' not in after.html


def test_three_d_secure_beyond_the_hold_ends_expired_and_nothing_is_charged(sale):
    link = at_the_bank(sale)
    sale.time_is_over()

    sale.sweeps()
    late = answers_the_bank(link, yes=True)

    shown, told = sale.buyer.page(), sale.buyer.api()
    assert (told["state"], told["settled"], sale.seat_is()) == ("expired", True, "free")
    assert (shown.title, shown.lead) == (
        "The time to pay ran out",
        "The tickets are free for others. You were not charged.",
    )
    assert shown.timeline[-1] == ("done", "Time ran out")
    # A yes on the bank's page that was still open does nothing any more.
    assert late.status_code in (200, 303)
    assert sale.intent().status is IntentStatus.CANCELED
    sale.carry_on()
    assert sale.buyer.api()["state"] == "expired"


def test_a_yes_before_the_bank_was_asked_to_cancel_keeps_the_tickets_although_the_hold_is_over(sale):
    link = at_the_bank(sale)
    sale.time_is_over()

    answers_the_bank(link, yes=True)
    sale.sweeps()

    shown = sale.buyer.page()
    assert (sale.buyer.api()["state"], sale.seat_is()) == ("confirmed", "sold")
    assert (shown.title, shown.lead) == ("Enjoy the show", "Paid, and the tickets are yours.")
    assert sale.intent().captured_minor == 4500


def test_a_yes_after_the_tickets_went_is_let_go_by_the_reconciler(sale):
    link = at_the_bank(sale)
    sale.time_is_over(LONG_OVER)
    # The bank is away: the sweeper frees the tickets without its word, and nobody has cancelled the payment.
    sweep(sale.shop)
    freed = (sale.buyer.api()["state"], sale.seat_is())

    back = answers_the_bank(link, yes=True)
    reserved = sale.intent().status
    told_at_once = sale.buyer.comes_back(back.headers["Location"])
    run_sql(sale.shop.engine, "UPDATE payments SET updated_at = updated_at - interval '1 minute'")
    left_over = reconcile(sale.shop).left_over
    sale.carry_on()

    assert freed == ("expired", "free")
    assert reserved is IntentStatus.REQUIRES_CAPTURE
    assert told_at_once.lead.endswith("You were not charged.")
    assert left_over == (sale.id,)
    assert (sale.intent().status, sale.intent().captured_minor) == (IntentStatus.CANCELED, 0)
    assert (sale.buyer.api()["state"], sale.seat_is()) == ("expired", "free")


def test_a_no_at_the_bank_keeps_the_hold_and_another_card_pays(sale):
    link = at_the_bank(sale)

    answers_the_bank(link, yes=False)
    sale.carry_on()
    refused = sale.buyer.page()
    sale.buyer.pays(VISA)
    sale.carry_on()

    assert refused.title == "These tickets are held for you"
    assert refused.alert.startswith("The card was declined. ")
    assert refused.alert.endswith("Your tickets are still yours; try another card.")
    assert refused.cards_offered
    assert sale.buyer.page().title == "Enjoy the show"
    assert sale.outcomes() == [(THREE_D_SECURE, "declined"), (VISA, "authorised")]


def test_a_declined_card_and_a_good_one_are_one_payment_charged_once(sale):
    sale.buyer.pays(NO_FUNDS)
    sale.carry_on()
    declined, held = sale.buyer.page(), sale.buyer.api()
    first = sale.intent()

    sale.buyer.pays(MASTERCARD)
    sale.carry_on()

    assert (held["state"], held["payment"]["decline_code"]) == ("held", "insufficient_funds")
    assert declined.lead == "They stay yours until the time is up."
    assert declined.alert == (
        "The card was declined. Your card has insufficient funds. Your tickets are still yours; try another card."
    )
    assert declined.timeline[-4:-2] == [
        ("now", "The card was declined; tickets still held"),
        ("ahead", "Card authorised"),
    ]
    assert sale.buyer.page().title == "Enjoy the show"
    assert (sale.intents_made(), sale.intent().id, sale.intent().captured_minor) == (1, first.id, 4500)
    assert sale.outcomes() == [(NO_FUNDS, "declined"), (MASTERCARD, "authorised")]


def test_another_card_while_the_bank_still_asks_pays_and_the_old_question_charges_nothing(sale):
    old_link = at_the_bank(sale)

    paying = sale.buyer.person.post(f"/v1/bookings/{sale.id}/payment", {"payment_method": VISA}, key="another")
    sale.carry_on()
    late = answers_the_bank(old_link, yes=True)
    sale.carry_on()

    assert (paying.status_code, paying.json()["state"]) == (202, "authorising")
    assert late.status_code in (200, 303)
    assert (sale.buyer.api()["state"], sale.buyer.page().title) == ("confirmed", "Enjoy the show")
    assert (sale.intents_made(), sale.intent().captured_minor) == (1, 4500)
    assert sale.outcomes() == [(THREE_D_SECURE, "abandoned"), (VISA, "authorised")]


def test_a_second_card_while_the_first_is_being_asked_is_refused_with_what_to_do(sale):
    sale.buyer.pays(VISA)

    second = sale.buyer.pays(MASTERCARD)
    sale.carry_on()

    assert second.alert == "As things stand this cannot be done. Look again."
    assert sale.outcomes() == [(VISA, "authorised")]
    assert sale.buyer.page().title == "Enjoy the show"


def test_a_card_after_the_hold_is_refused_and_the_buyer_is_told_that_nothing_was_charged(sale):
    sale.time_is_over()
    late = sale.buyer.pays(VISA)
    sale.sweeps()

    assert late.alert.endswith("You were not charged.")
    assert (sale.buyer.api()["state"], sale.outcomes()) == ("expired", [])
    assert sale.buyer.page().lead == "The tickets are free for others. You were not charged."
