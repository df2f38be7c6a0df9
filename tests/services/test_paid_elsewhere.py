"""A refund ends by money that went back without us, once, and by nothing else: nobody is paid twice or forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onsale.db import cancellations, letters, paid_elsewhere, refunds, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId
from onsale.db.letters import LetterKind
from onsale.db.refunds import Elsewhere, Refund, RefundReason, RefundState
from onsale.db.staff import Role
from onsale.db.states import BookingState
from onsale.workers import letters as words
from onsale.workers.cancellations import carry_on
from onsale.workers.reconcile import reconcile
from onsale.workers.refunds import settle
from tests.builders import booking, run_sql, seat
from tests.services.refunding import PRICE, a_member, a_paid_booking, ask, dispute, given_back, press, signed_in
from tests.services.refunding import staff_person as person
from tests.services.test_api_webhooks import send, signature, wakes
from tests.services.test_refunds import wrong

NOTE = "bank transfer of 3 December"
SAID = {"way": "outside", "note": NOTE}


@pytest.fixture
def paid(paying_shop) -> BookingId:
    return a_paid_booking(paying_shop)


def intent_of(engine: Any, booking_id: BookingId) -> str:
    with reading(engine) as connection:
        found = connection.exec_driver_sql("SELECT intent_id FROM payments WHERE booking_id = %s", (booking_id,))
        return found.scalar_one()


def by_hand(shop: Any, booking_id: BookingId, amount_minor: int) -> None:
    """Somebody refunds it in the provider's dashboard."""
    shop.provider.refund_intent(intent_of(shop.engine, booking_id), amount_minor=amount_minor, key="by hand")


def refunds_of(engine: Any, booking_id: BookingId) -> tuple[Refund, ...]:
    with reading(engine) as connection:
        return refunds.of_booking(connection, booking_id)


def a_failed_refund(shop: Any, booking_id: BookingId, **wanted: Any) -> Refund:
    """One that the provider refuses: it does not know the payment."""
    mine = intent_of(shop.engine, booking_id)
    asked = ask(shop, booking_id, **wanted)
    renamed = "UPDATE payments SET intent_id = :now WHERE booking_id = :id"
    run_sql(shop.engine, renamed, now="pi_unknown", id=booking_id)
    settle(shop, booking_id)
    run_sql(shop.engine, renamed, now=mine, id=booking_id)
    (refund,) = (one for one in refunds_of(shop.engine, booking_id) if one.id == asked.refund.id)
    assert refund.state is RefundState.FAILED
    return refund


def tell(web: Any, kind: str, **thing: object) -> int:
    """The provider's webhook; how many wake-ups it sent."""
    before = wakes(web)
    event = {"id": f"evt_{kind}_{thing['id']}", "type": kind, "data": {"object": {"metadata": {}, **thing}}}
    body = json.dumps(event).encode()
    assert send(web, body, signature(web.office, body)).status_code == 204
    return wakes(web) - before


def tell_refunded(web: Any, engine: Any, booking_id: BookingId, amount_minor: int) -> int:
    intent_id = intent_of(engine, booking_id)
    return tell(web, "charge.refunded", id="ch_1", payment_intent=intent_id, amount_refunded=amount_minor)


def test_what_was_refunded_by_hand_before_ends_the_refund_and_nobody_is_paid_twice(paying_shop, engine, paid):
    by_hand(paying_shop, paid, 2 * PRICE)
    ask(paying_shop, paid)

    settle(paying_shop, paid)

    (refund,) = refunds_of(engine, paid)
    assert (refund.state, refund.paid_elsewhere) == (RefundState.SUCCEEDED, Elsewhere.PROVIDER)
    assert booking(engine, paid).state is BookingState.REFUNDED
    assert given_back(paying_shop, paid) == 2 * PRICE
    assert wrong(paying_shop, paid) == []


def test_what_is_refunded_by_hand_after_we_failed_ends_the_refund_when_the_provider_tells(
    web, paying_shop, engine, paid
):
    a_failed_refund(paying_shop, paid)
    by_hand(paying_shop, paid, 2 * PRICE)

    woken = tell_refunded(web, engine, paid, 2 * PRICE)
    settle(paying_shop, paid)

    (refund,) = refunds_of(engine, paid)
    assert (woken, refund.paid_elsewhere, refund.paid_by) == (1, Elsewhere.PROVIDER, "payments")
    assert booking(engine, paid).state is BookingState.REFUNDED
    assert wrong(paying_shop, paid) == []


def test_a_part_refunded_by_hand_does_not_end_a_refund_of_all(paying_shop, engine, paid):
    by_hand(paying_shop, paid, PRICE)
    ask(paying_shop, paid)

    settle(paying_shop, paid)

    (refund,) = refunds_of(engine, paid)
    assert (refund.state, booking(engine, paid).state) == (RefundState.FAILED, BookingState.REFUNDING)
    assert given_back(paying_shop, paid) == PRICE


def test_money_that_went_back_by_hand_ends_one_refund_only(paying_shop, engine, paid):
    event_id = booking(engine, paid).event_id
    first = a_failed_refund(paying_shop, paid, tickets=(seat(event_id, 1),))
    with transaction(engine) as connection:
        covered = paid_elsewhere.covers(connection, first, refunded_minor=PRICE)
        assert covered is not None
        assert paid_elsewhere.end(connection, first, covered)
    second = a_failed_refund(paying_shop, paid)

    with reading(engine) as connection:
        assert paid_elsewhere.covers(connection, second, refunded_minor=PRICE) is None
        assert paid_elsewhere.covers(connection, second, refunded_minor=2 * PRICE) is not None


def test_a_refund_by_hand_of_valid_tickets_is_shown_to_staff_and_not_paid_again(web, paying_shop, engine, paid):
    page = signed_in(web, a_member(engine), staff=True)
    console = f"/admin/events/{booking(engine, paid).event_id}/refunds"
    by_hand(paying_shop, paid, 2 * PRICE)

    woken = tell_refunded(web, engine, paid, 2 * PRICE)
    settle(paying_shop, paid)
    shown = page.get(console).text
    untouched = booking(engine, paid).state
    press(page, console, f"{console}/refund", booking=str(paid), tickets="", idempotency_key="k")
    settle(paying_shop, paid)

    assert (woken, untouched, booking(engine, paid).state) == (1, BookingState.CONFIRMED, BookingState.REFUNDED)
    assert "Given back without Onsale" in shown
    assert "Given back without Onsale" not in page.get(console).text
    assert given_back(paying_shop, paid) == 2 * PRICE
    assert wrong(paying_shop, paid) == []


def test_the_providers_word_of_our_own_refund_asks_it_nothing(web, paying_shop, engine, paid):
    ask(paying_shop, paid)
    settle(paying_shop, paid)

    assert tell_refunded(web, engine, paid, 2 * PRICE) == 0
    assert reconcile(paying_shop, refund_seconds=0).refunds == ()


def test_a_wake_up_that_was_lost_is_sent_again_until_the_provider_was_asked(web, paying_shop, engine, paid):
    by_hand(paying_shop, paid, PRICE)
    tell_refunded(web, engine, paid, PRICE)

    found = reconcile(paying_shop, refund_seconds=0).refunds
    settle(paying_shop, paid)

    assert (found, reconcile(paying_shop, refund_seconds=0).refunds) == ((paid,), ())


def test_staff_say_that_a_refund_was_paid_in_another_way_and_it_is_over(web, paying_shop, engine, paid):
    run_sql(engine, "UPDATE buyers SET email = 'ann@example.org'")
    refund, member = a_failed_refund(paying_shop, paid), a_member(engine)

    answers = [person(web, member).post(f"/v1/admin/refunds/{refund.id}/paid-elsewhere", SAID) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 409]
    assert (answers[0].json()["paid_elsewhere"], answers[0].json()["paid_note"]) == ("outside", NOTE)
    assert booking(engine, paid).state is BookingState.REFUNDED
    assert given_back(paying_shop, paid) == 0
    assert wrong(paying_shop, paid) == []
    with reading(engine) as connection:
        (line,) = (
            one
            for one in sale_log.newest(connection, booking(engine, paid).event_id)
            if one.kind == paid_elsewhere.ENDED_AS
        )
        (letter,) = (one for one in letters.of_booking(connection, paid) if one.kind is LetterKind.REFUNDED)
        text = words.drawn(connection, letter, public_url="https://tickets.example").text
    assert (line.actor, line.body["amount_minor"], line.body["way"]) == (f"staff:{member}", 2 * PRICE, "outside")
    assert f"paid back in another way: {NOTE}." in text
    assert "on its way to the card" not in text
    buyer_page = signed_in(web, booking(engine, paid).buyer_id, staff=False)
    assert f"Paid back in another way: {NOTE}." in buyer_page.get(f"/bookings/{paid}").text


def test_what_staff_paid_by_hand_at_the_provider_is_looked_for_in_its_books(web, paying_shop, engine, paid):
    refund = a_failed_refund(paying_shop, paid)

    said = person(web, a_member(engine)).post(
        f"/v1/admin/refunds/{refund.id}/paid-elsewhere", {"way": "provider", "note": "by hand"}
    )
    before = wrong(paying_shop, paid)
    by_hand(paying_shop, paid, 2 * PRICE)

    assert said.status_code == 200
    assert any("gave back" in what for what in before)
    assert wrong(paying_shop, paid) == []


def test_who_may_not_say_so_does_not(web, paying_shop, engine, paid):
    refund = a_failed_refund(paying_shop, paid)
    address = f"/v1/admin/refunds/{refund.id}/paid-elsewhere"
    viewer, stranger = a_member(engine, Role.VIEWER), a_member(engine, organiser="Another")

    codes = [person(web, one).post(address, SAID).status_code for one in (viewer, stranger)]
    mad = [person(web, a_member(engine)).post(address, body).status_code for body in _bad_bodies()]

    assert (codes, set(mad)) == ([403, 404], {422})
    assert refunds_of(engine, paid)[0].state is RefundState.FAILED


def _bad_bodies() -> list[dict[str, Any]]:
    return [
        {},
        {"way": "dispute", "note": NOTE},
        {"way": "outside", "note": " "},
        {"way": "outside", "note": "x" * 281},
    ]


def test_a_refund_under_way_cannot_be_said_to_be_paid(web, paying_shop, engine, paid):
    refund = ask(paying_shop, paid).refund

    said = person(web, a_member(engine)).post(f"/v1/admin/refunds/{refund.id}/paid-elsewhere", SAID)
    settle(paying_shop, paid)

    assert said.status_code == 409
    assert given_back(paying_shop, paid) == 2 * PRICE


def test_the_consoles_form_asks_whether_the_buyer_has_the_money(web, paying_shop, engine, paid):
    refund = a_failed_refund(paying_shop, paid)
    page = signed_in(web, a_member(engine), staff=True)
    console = f"/admin/events/{booking(engine, paid).event_id}/refunds"
    form = {"refund": str(refund.id), "way": "outside", "note": NOTE}

    unsure = press(page, console, f"{console}/paid-elsewhere", **form)
    still = refunds_of(engine, paid)[0].state
    press(page, console, f"{console}/paid-elsewhere", **form, sure="yes")

    assert "cannot be undone" in unsure.text
    assert (still, refunds_of(engine, paid)[0].state) == (RefundState.FAILED, RefundState.SUCCEEDED)


def test_a_dispute_that_is_lost_ends_the_refund_that_it_made_impossible(web, paying_shop, engine, paid):
    a_failed_refund(paying_shop, paid)
    thing = {
        "id": "dp_1",
        "payment_intent": intent_of(engine, paid),
        "amount": 2 * PRICE,
        "currency": "eur",
        "reason": "fraudulent",
        "status": "lost",
    }

    tell(web, "charge.dispute.created", **{**thing, "status": "needs_response"})
    still = refunds_of(engine, paid)[0].state
    tell(web, "charge.dispute.closed", **thing)

    (refund,) = refunds_of(engine, paid)
    assert (still, refund.state, refund.paid_elsewhere) == (
        RefundState.FAILED,
        RefundState.SUCCEEDED,
        Elsewhere.DISPUTE,
    )
    assert booking(engine, paid).state is BookingState.REFUNDED
    assert wrong(paying_shop, paid) == []


@pytest.mark.parametrize("status", ["won", "needs_response"])
def test_a_dispute_that_is_not_lost_ends_nothing(paying_shop, engine, paid, status):
    refund = a_failed_refund(paying_shop, paid)
    dispute(engine, paid, status)

    with reading(engine) as connection:
        assert paid_elsewhere.covers(connection, refund) is None


def test_a_cancellation_over_a_refund_that_cannot_be_made_ends_when_it_was_paid_in_another_way(
    web, paying_shop, engine, paid
):
    event_id = booking(engine, paid).event_id
    with transaction(engine) as connection:
        cancellations.begin(connection, event_id, reason="The singer is ill.", actor="test")
    refund = a_failed_refund_of_the_cancellation(paying_shop, paid)

    stuck = carry_on(paying_shop, event_id, settled_seconds=0)
    person(web, a_member(engine)).post(f"/v1/admin/refunds/{refund.id}/paid-elsewhere", SAID)

    assert (stuck, carry_on(paying_shop, event_id, settled_seconds=0)) == (False, True)
    with reading(engine) as connection:
        progress = cancellations.progress(connection, event_id)
    assert (progress.done, progress.failed) == (1, 0)


def a_failed_refund_of_the_cancellation(shop: Any, booking_id: BookingId) -> Refund:
    return a_failed_refund(shop, booking_id, reason=RefundReason.EVENT_CANCELLED)
