"""What the payment provider tells us: believed by its signature alone, remembered once, told to a worker."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from onsale.db import charges
from onsale.db.charges import Received
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, EventId, booking_id
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.webhooks import RESUMES, Event
from onsale.queue import broker
from onsale.web.api.webhooks import is_news, may_be_missed
from onsale.web.box_office import BoxOffice
from tests.builders import a_booking, an_event

PATH = "/v1/webhooks/stripe"


NOBODYS = booking_id(EventId(1), b"x" * 12)


def event(about: BookingId = NOBODYS, **changed: Any) -> bytes:
    thing = {"id": "pi_1", "object": "payment_intent", "metadata": {"booking_id": str(about)}}
    usual = {"id": f"evt_{uuid4().hex}", "type": "payment_intent.succeeded", "data": {"object": thing}}
    return json.dumps({**usual, **changed}).encode()


def signature(office: BoxOffice, body: bytes, *, at: float | None = None, secret: str | None = None) -> str:
    when = int(at or time.time())
    key = (secret or office.config.stripe_webhook_secret).encode()
    return f"t={when},v1={hmac.new(key, f'{when}.'.encode() + body, hashlib.sha256).hexdigest()}"


def send(web, body: bytes, header: str | None):
    headers = {"Content-Type": "application/json"} | ({} if header is None else {"Stripe-Signature": header})
    return web.http.post(PATH, content=body, headers=headers)


def wakes(web) -> int:
    """Messages waiting for a payments worker."""
    return int(web.office.queue_client.__class__.from_url(web.office.config.broker_url).llen(broker.PAYMENTS.name))


def seen(engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM webhook_events")).scalar_one())


def test_a_signed_event_is_remembered_and_wakes_a_worker(web, engine):
    body = event(a_booking(engine, an_event(engine), Wish(quantity=1), number=1))

    answer = send(web, body, signature(web.office, body))

    assert (answer.status_code, answer.content) == (204, b"")
    assert (seen(engine), wakes(web)) == (1, 1)


def test_an_event_wakes_nobody_for_a_booking_that_is_being_asked_about_already(web, engine):
    found = a_booking(engine, an_event(engine), Wish(quantity=1), number=1)
    with transaction(engine) as connection:
        charges.claim(connection, found)
    body = event(found)

    assert send(web, body, signature(web.office, body)).status_code == 204
    assert (seen(engine), wakes(web)) == (1, 0)


def test_an_event_of_a_payment_that_is_no_bookings_wakes_nobody(web, engine):
    body = event()

    assert send(web, body, signature(web.office, body)).status_code == 204
    assert (seen(engine), wakes(web)) == (1, 0)


@pytest.mark.parametrize("state", BookingState)
@pytest.mark.parametrize("kind", sorted(RESUMES))
def test_what_is_said_of_a_payment_is_news_until_it_is_paid_and_a_refund_always_is(state, kind):
    told = Event("evt_1", kind, "pi_1", "pi_1", NOBODYS)

    news = is_news(told, Received(new=False, state=state, worked_on=False))

    paid = state in (BookingState.CONFIRMED, BookingState.REFUNDING, BookingState.REFUNDED)
    assert news is (not paid or kind == "charge.refunded")


_WITH_THE_BANK = text("""
    UPDATE bookings SET state = 'requires_action', decided_at = now(), hold_until = now(), hold_version = 1,
                        amount_minor = 1""")


def test_a_buyer_who_comes_back_from_the_bank_while_somebody_asks_is_looked_after_in_a_moment(web, engine):
    found = a_booking(engine, an_event(engine), Wish(quantity=1), number=1)
    with transaction(engine) as connection:
        charges.claim(connection, found)
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(_WITH_THE_BANK)
    body = event(found, type="payment_intent.amount_capturable_updated")

    assert send(web, body, signature(web.office, body)).status_code == 204
    assert (seen(engine), wakes(web)) == (1, 1)


@pytest.mark.parametrize("state", BookingState)
def test_only_a_buyer_who_comes_back_from_the_bank_is_looked_after_once_more(state):
    told = Event("evt_1", "payment_intent.amount_capturable_updated", "pi_1", "pi_1", NOBODYS)

    later = {worked_on: may_be_missed(told, Received(True, state, worked_on)) for worked_on in (False, True)}

    assert later == {False: False, True: state is BookingState.REQUIRES_ACTION}
    assert not is_news(told, Received(True, state, worked_on=True))


def test_an_event_sent_again_is_remembered_once_and_answered_alike(web, engine):
    body = event()

    answers = [send(web, body, signature(web.office, body)).status_code for _ in range(3)]

    assert answers == [204, 204, 204]
    assert seen(engine) == 1


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        "t=1,v1=abc",
        "t=,v1=",
        "t=abc,v1=abc",
        "v1=" + "a" * 64,
        "t=" + "9" * 30 + ",v1=" + "a" * 64,
        "x" * 5_000,
    ],
)
def test_an_event_without_its_signature_changes_nothing(web, engine, header):
    answer = send(web, event(), header)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-webhook")
    assert (seen(engine), wakes(web)) == (0, 0)


def test_an_event_signed_with_another_secret_changes_nothing(web, engine):
    body = event()

    assert send(web, body, signature(web.office, body, secret="whsec_guessed")).status_code == 400
    assert seen(engine) == 0


def test_an_event_changed_by_one_space_changes_nothing(web, engine):
    body = event()

    assert send(web, body + b" ", signature(web.office, body)).status_code == 400
    assert seen(engine) == 0


def test_an_old_event_is_not_replayed(web, engine):
    body = event()

    assert send(web, body, signature(web.office, body, at=time.time() - 400)).status_code == 400
    assert seen(engine) == 0


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"id": "evt_1"}', b"\xff", b'{"id": 1, "type": 2, "data": 3}']
)
def test_a_signed_body_that_is_no_event_is_refused(web, engine, body):
    assert send(web, body, signature(web.office, body)).status_code == 400


def test_an_event_of_another_kind_is_acknowledged_and_forgotten(web):
    body = event(type="customer.created")

    assert send(web, body, signature(web.office, body)).status_code == 204
    assert wakes(web) == 0


def test_an_event_may_be_larger_than_a_request_of_a_buyer_and_not_endless(web):
    large, endless = event(padding="x" * 100_000), event(padding="x" * 300_000)

    assert send(web, large, signature(web.office, large)).status_code == 204
    assert send(web, endless, signature(web.office, endless)).status_code == 413


@pytest.mark.parametrize("id_", ["evt_\0", "evt_\ud800"])
def test_a_signed_event_with_a_word_that_the_record_cannot_keep_is_refused(web, engine, id_):
    body = event(id=id_)

    assert send(web, body, signature(web.office, body)).status_code == 400
    assert seen(engine) == 0


def test_a_card_that_nobody_saves_here_is_acknowledged_and_not_asked_about(web, engine):
    thing = {"id": "seti_of_another_shop", "object": "setup_intent"}
    body = event(type="setup_intent.succeeded", data={"object": thing})

    assert send(web, body, signature(web.office, body)).status_code == 204
    assert seen(engine) == 1
