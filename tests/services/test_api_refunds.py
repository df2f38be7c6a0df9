"""Giving money back over HTTP: buyers within the organiser's rules, staff as they see fit, an event as a whole."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from onsale.db import bookings, cancellations, disputes, refund_settings, refunds
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId, event_of_booking
from onsale.db.refund_rules import RefundRules
from onsale.db.refunds import RefundState
from onsale.db.staff import Role
from onsale.db.states import BookingState
from onsale.web import tokens
from onsale.web.pages import booking_views
from onsale.workers.refunds import settle
from tests.builders import booking, run_sql, seat
from tests.services.refunding import (
    PRICE,
    a_member,
    a_paid_booking,
    dispute,
    given_back,
    press,
    signed_in,
    staff_person,
)
from tests.services.serving import Person
from tests.services.test_api_webhooks import send, signature, wakes

RULES = RefundRules(cancel_until_hours=24, fee_minor=100, fee_basis_points=1000)
FEE = 100 + PRICE // 10


@pytest.fixture
def buyer_of(web):
    def person(booking_id: BookingId) -> Person:
        buyer_id = booking(web.office.engine, booking_id).buyer_id
        return Person(web.http, tokens.sign(web.office.config, buyer_id, audience=tokens.BUYERS), str(buyer_id))

    return person


@pytest.fixture
def staff_of(web, engine):
    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        return staff_person(web, a_member(engine, role, organiser))

    return member


@pytest.fixture
def paid(paying_shop) -> BookingId:
    return a_paid_booking(paying_shop)


def event_of(booking_id: BookingId) -> EventId:
    event_id = event_of_booking(booking_id)
    assert event_id is not None
    return event_id


def allow(engine: Any, booking_id: BookingId, rules: RefundRules = RULES) -> None:
    with transaction(engine) as connection:
        refund_settings.change(connection, event_of(booking_id), rules, actor="test")


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def test_a_buyer_sees_what_comes_back_cancels_and_gets_it(web, engine, paying_shop, paid, buyer_of):
    allow(engine, paid)
    buyer = buyer_of(paid)

    offer = buyer.get(f"/v1/bookings/{paid}").json()["refund_offer"]
    asked = [
        buyer.post(f"/v1/bookings/{paid}/refund", {"amount_minor": offer["amount_minor"]}, key="k") for _ in range(2)
    ]
    settle(paying_shop, paid)
    told = buyer.get(f"/v1/bookings/{paid}").json()

    assert (offer["amount_minor"], offer["kept_minor"]) == (2 * (PRICE - FEE), 2 * FEE)
    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].json()["state"] == "refunding"
    assert (told["state"], told["tickets"], told["refund_offer"]) == ("refunded", [], None)
    assert [one["state"] for one in told["refunds"]] == ["succeeded"]
    assert given_back(paying_shop, paid) == offer["amount_minor"]


def test_what_a_buyer_may_not_cancel_stays(web, engine, paid, buyer_of):
    buyer, path = buyer_of(paid), f"/v1/bookings/{paid}/refund"

    without_rules = buyer.post(path, {"amount_minor": 2 * PRICE}, key="1")
    allow(engine, paid)
    another_amount = buyer.post(path, {"amount_minor": 2 * PRICE}, key="2")
    somebody_else = web.guest().post(path, {"amount_minor": 2 * (PRICE - FEE)}, key="3")
    run_sql(engine, "UPDATE events SET starts_at = now() + interval '23 hours'")
    too_late = buyer.post(path, {"amount_minor": 2 * (PRICE - FEE)}, key="4")

    assert [slug(one) for one in (without_rules, another_amount, somebody_else, too_late)] == [
        "cancellation-closed",
        "refund-changed",
        "not-found",
        "cancellation-closed",
    ]
    assert buyer.get(f"/v1/bookings/{paid}").json()["refund_offer"] is None
    assert booking(engine, paid).state is BookingState.CONFIRMED


def test_staff_refund_a_part_and_the_booking_keeps_the_rest(web, engine, paying_shop, paid, buyer_of, staff_of):
    ticket = int(seat(event_of(paid), 2))
    member = staff_of()

    asked = [member.post(f"/v1/admin/bookings/{paid}/refund", {"tickets": [ticket]}, key="one") for _ in range(2)]
    settle(paying_shop, paid)
    told = buyer_of(paid).get(f"/v1/bookings/{paid}").json()

    assert [answer.status_code for answer in asked] == [202, 202]
    assert asked[0].json()["id"] == asked[1].json()["id"]
    assert (told["state"], [one["ticket_id"] for one in told["tickets"]]) == ("confirmed", [ticket - 1])
    assert given_back(paying_shop, paid) == PRICE


def test_who_may_not_refund_does_not(web, engine, paid, staff_of, buyer_of):
    path, everything = f"/v1/admin/bookings/{paid}/refund", {"tickets": None}

    answers = [
        who.post(path, everything, key="k")
        for who in (staff_of(Role.VIEWER), staff_of(organiser="Somebody else"), buyer_of(paid))
    ]
    no_fee = staff_of().post(path, {"keep_fee": True}, key="k")

    assert [answer.status_code for answer in answers] == [403, 404, 401]
    assert (no_fee.status_code, no_fee.json()["field"]) == (409, "keep_fee")
    assert booking(engine, paid).state is BookingState.CONFIRMED


def test_rules_that_staff_set_are_those_that_buyers_read(engine, web, paid, buyer_of, staff_of):
    path = f"/v1/admin/events/{event_of(paid)}/refund-rules"
    member = staff_of()

    member.ask("PATCH", path, json={"cancel_until_hours": 48, "fee_basis_points": 5000})
    with_rules = buyer_of(paid).get(f"/v1/bookings/{paid}").json()["refund_offer"]
    member.ask("PATCH", path, json={"cancel_until_hours": None})
    without = buyer_of(paid).get(f"/v1/bookings/{paid}").json()["refund_offer"]
    wrong = member.ask("PATCH", path, json={"cancel_until_hours": 48, "fee_basis_points": 10_001})

    assert (with_rules["amount_minor"], without, wrong.status_code) == (PRICE, None, 422)


def test_rules_for_a_fee_that_the_currency_does_not_have_are_refused(engine, web, paid, staff_of):
    path = f"/v1/admin/events/{event_of(paid)}/refund-rules"
    run_sql(engine, "UPDATE events SET currency = 'kwd'")

    answers = [staff_of().ask("PATCH", path, json={"cancel_until_hours": 48, "fee_minor": fee}) for fee in (7, 10)]

    assert [answer.status_code for answer in answers] == [422, 200]
    assert answers[0].json()["field"] == "fee_minor"
    assert "steps of 10" in answers[0].json()["detail"]


def test_of_a_cancelled_event_no_fee_is_offered_and_who_was_shown_one_gets_all_back(
    web, engine, paying_shop, paid, buyer_of
):
    allow(engine, paid)
    buyer = buyer_of(paid)
    shown = buyer.get(f"/v1/bookings/{paid}").json()["refund_offer"]["amount_minor"]
    with transaction(engine) as connection:
        cancellations.begin(connection, event_of(paid), reason="ill", actor="test")

    offer = buyer.get(f"/v1/bookings/{paid}").json()["refund_offer"]
    page = signed_in(web, booking(engine, paid).buyer_id, staff=False).get(f"/bookings/{paid}").text
    asked = [buyer.post(f"/v1/bookings/{paid}/refund", {"amount_minor": shown}, key="k") for _ in range(2)]
    settle(paying_shop, paid)

    assert (offer, "you get back" in page) == (None, False)
    assert [answer.status_code for answer in asked] == [202, 202]
    assert [one["amount_minor"] for one in asked[1].json()["refunds"]] == [2 * PRICE]
    assert given_back(paying_shop, paid) == 2 * PRICE > shown


def test_staff_who_would_keep_a_fee_keep_none_of_a_cancelled_event(web, engine, paying_shop, paid, staff_of):
    allow(engine, paid)
    with transaction(engine) as connection:
        cancellations.begin(connection, event_of(paid), reason="ill", actor="test")

    asked = staff_of().post(f"/v1/admin/bookings/{paid}/refund", {"keep_fee": True}, key="k")
    settle(paying_shop, paid)

    assert (asked.status_code, asked.json()["kept_minor"], asked.json()["reason"]) == (202, 0, "event_cancelled")
    assert given_back(paying_shop, paid) == 2 * PRICE


def test_a_refused_refund_is_shown_and_tried_again_by_staff(web, engine, paying_shop, paid, staff_of):
    member = staff_of()
    refund_id = member.post(f"/v1/admin/bookings/{paid}/refund", {}, key="k").json()["id"]
    intent = "UPDATE payments SET intent_id = :now WHERE booking_id = :id"
    with engine.connect() as connection:
        mine = connection.exec_driver_sql("SELECT intent_id FROM payments").scalar_one()
    run_sql(engine, intent, now="pi_unknown", id=paid)

    settle(paying_shop, paid)
    with reading(engine) as connection:
        (refused,) = refunds.failed(connection, event_of(paid))
    run_sql(engine, intent, now=mine, id=paid)
    settle(paying_shop, paid)
    untouched = booking(engine, paid).state
    again = [member.post(f"/v1/admin/refunds/{refund_id}/retry") for _ in range(2)]
    settle(paying_shop, paid)

    assert (refused.state, str(refused.id)) == (RefundState.FAILED, refund_id)
    assert refused.why
    assert untouched is BookingState.REFUNDING
    assert [answer.status_code for answer in again] == [202, 409]
    assert booking(engine, paid).state is BookingState.REFUNDED
    assert given_back(paying_shop, paid) == 2 * PRICE


def test_the_banks_word_that_a_refund_failed_after_all_makes_a_worker_ask(web, engine, paying_shop, paid, staff_of):
    staff_of().post(f"/v1/admin/bookings/{paid}/refund", {}, key="k")
    settle(paying_shop, paid)
    with reading(engine) as connection:
        (refund,) = refunds.of_booking(connection, paid)
        intent = connection.exec_driver_sql("SELECT intent_id FROM payments").scalar_one()
    before = wakes(web)

    thing = {"id": refund.provider_refund_id, "object": "refund", "payment_intent": intent, "metadata": {}}
    body = json.dumps({"id": "evt_1", "type": "refund.failed", "data": {"object": thing}}).encode()
    answer = send(web, body, signature(web.office, body))
    with reading(engine) as connection:
        (doubted,) = refunds.of_booking(connection, paid)
    # The bank's books say otherwise: it is asked, and what it says counts.
    settle(paying_shop, paid)

    assert (answer.status_code, doubted.state, wakes(web) - before) == (204, RefundState.SENT, 1)
    with reading(engine) as connection:
        assert [one.state for one in refunds.of_booking(connection, paid)] == [RefundState.SUCCEEDED]
    assert given_back(paying_shop, paid) == 2 * PRICE


def test_a_dispute_is_recorded_and_what_is_closed_stays_closed(web, engine, paid):
    with reading(engine) as connection:
        intent = connection.exec_driver_sql("SELECT intent_id FROM payments").scalar_one()
    thing = {"id": "dp_1", "object": "dispute", "payment_intent": intent, "amount": 9000, "currency": "eur"}
    said = [("created", "needs_response"), ("closed", "lost"), ("created", "needs_response")]

    for number, (kind, status) in enumerate(said):
        told = thing | {"reason": "fraudulent", "status": status}
        event = {"id": f"evt_{number}", "type": f"charge.dispute.{kind}", "data": {"object": told}}
        body = json.dumps(event).encode()
        assert send(web, body, signature(web.office, body)).status_code == 204

    with reading(engine) as connection:
        (dispute,) = disputes.of_event(connection, event_of(paid))
    assert (dispute.booking_id, dispute.amount_minor, dispute.status) == (paid, 9000, "lost")
    assert dispute.closed_at is not None


def test_the_console_and_the_buyers_page_do_the_same_by_plain_forms(web, engine, paying_shop, paid):
    member_page = signed_in(web, a_member(engine), staff=True)
    buyer_page = signed_in(web, booking(engine, paid).buyer_id, staff=False)
    console = f"/admin/events/{event_of(paid)}/refunds"

    press(member_page, console, f"{console}/rules", cancel_until_hours="24", fee_minor="500", fee_basis_points="0")
    page = buyer_page.get(f"/bookings/{paid}").text
    amount = str(2 * (PRICE - 500))
    press(buyer_page, f"/bookings/{paid}", f"/bookings/{paid}/refund", amount_minor=amount, idempotency_key="k")
    settle(paying_shop, paid)
    after = buyer_page.get(f"/bookings/{paid}").text

    assert "you get back <strong>80.00" in page.replace("€", "").replace("EUR ", "").replace("\N{NO-BREAK SPACE}", "")
    assert "The tickets are given back" in after
    assert given_back(paying_shop, paid) == int(amount)


def test_staff_refund_and_cancel_by_the_consoles_forms(web, engine, paying_shop, paid):
    page = signed_in(web, a_member(engine), staff=True)
    console = f"/admin/events/{event_of(paid)}/refunds"

    press(page, console, f"{console}/refund", booking=str(paid), tickets="", idempotency_key="k")
    unsure = press(page, console, f"{console}/cancel-event", reason="The singer is ill")
    press(page, console, f"{console}/cancel-event", reason="The singer is ill", sure="yes")

    assert booking(engine, paid).state is BookingState.REFUNDING
    assert "cannot be undone" in unsure.text
    assert "The singer is ill" in page.get(console).text


@pytest.mark.parametrize(
    ("status", "code"), [("needs_response", 409), ("lost", 409), ("won", 202), ("warning_needs_response", 202)]
)
def test_what_the_buyers_bank_was_asked_for_is_not_given_back_here_too(web, engine, paid, buyer_of, status, code):
    allow(engine, paid)
    buyer, amount = buyer_of(paid), 2 * (PRICE - FEE)
    dispute(engine, paid, status)

    offer = buyer.get(f"/v1/bookings/{paid}").json()["refund_offer"]
    asked = buyer.post(f"/v1/bookings/{paid}/refund", {"amount_minor": amount}, key="k")

    assert (offer is None, asked.status_code) == (code == 409, code)
    if code == 409:
        assert slug(asked) == "payment-disputed"
        assert booking(engine, paid).state is BookingState.CONFIRMED


def test_staff_are_told_of_a_dispute_before_tickets_are_void(engine, paid, staff_of):
    dispute(engine, paid, "needs_response")

    asked = staff_of().post(f"/v1/admin/bookings/{paid}/refund", {}, key="k")

    assert (asked.status_code, slug(asked)) == (409, "payment-disputed")
    assert booking(engine, paid).state is BookingState.CONFIRMED


def test_the_keys_of_staff_and_buyer_are_apart(engine, paying_shop, paid, buyer_of, staff_of):
    allow(engine, paid)
    ticket = int(seat(event_of(paid), 2))
    of_staff = staff_of().post(f"/v1/admin/bookings/{paid}/refund", {"tickets": [ticket]}, key="same")
    settle(paying_shop, paid)

    of_buyer = [
        buyer_of(paid).post(f"/v1/bookings/{paid}/refund", {"amount_minor": PRICE - FEE}, key="same") for _ in range(2)
    ]

    assert [of_staff.status_code, *(one.status_code for one in of_buyer)] == [202, 202, 202]
    assert len(of_buyer[0].json()["refunds"]) == len(of_buyer[1].json()["refunds"]) == 2


def test_a_key_that_an_older_release_wrote_is_known_again(engine, paid, buyer_of):
    allow(engine, paid)
    path, body = f"/v1/bookings/{paid}/refund", {"amount_minor": 2 * (PRICE - FEE)}
    buyer_of(paid).post(path, body, key="k")
    run_sql(engine, "UPDATE refunds SET idempotency_key = 'k'")

    again = buyer_of(paid).post(path, body, key="k")

    assert (again.status_code, len(again.json()["refunds"])) == (202, 1)


def test_a_refund_that_the_bank_sends_back_does_not_read_as_done(web, engine, paying_shop, paid, buyer_of):
    allow(engine, paid)
    buyer = buyer_of(paid)
    buyer.post(f"/v1/bookings/{paid}/refund", {"amount_minor": 2 * (PRICE - FEE)}, key="k")
    settle(paying_shop, paid)
    done = buyer.get(f"/v1/bookings/{paid}").json()["timeline"]
    run_sql(engine, "UPDATE refunds SET state = 'failed', why = 'closed account', ended_at = NULL")

    told = buyer.get(f"/v1/bookings/{paid}").json()["timeline"]

    assert (done[-1]["words"], done[-1]["standing"]) == ("Money returned", "done")
    assert (told[-1]["words"], told[-1]["standing"]) == ("Money returned", "ahead")
    assert "did not take it" in told[-2]["words"]
    with reading(engine) as connection:
        found = bookings.get(connection, paid)
    view = booking_views.booking_view(web.office, paid, found.buyer_id)
    assert view.words.title == "Your money has not reached you yet"
    assert "try again" in view.words.text
    with web.app.app_context():
        [line] = booking_views.lines_of(web.office, found.buyer_id)
    assert line.words == view.words
    assert line.words.tag == "Money not there yet"
