"""What a process of the house does while its record changes hands: nothing is taken for written that may be lost."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from onsale.db import charges
from onsale.db.charges import Charge
from onsale.db.confirming import CONFIRM_SECONDS_MAX
from onsale.db.engine import make_engine, make_sure, reading, transaction
from onsale.db.ids import BookingId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import RecordUnavailable
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.postgres import USER
from onsale.workers.lanes import work_lane
from onsale.workers.payment_steps import Step
from onsale.workers.payments import STEPS, resume
from tests.builders import a_booking, an_event, booking, open_queue, seat, set_queue, until
from tests.pairs import Wire, mute, waits_for_the_standby

VISA = "pm_card_visa"
MAKE = text("CREATE TABLE kept (word text PRIMARY KEY)")
WRITE = text("INSERT INTO kept (word) VALUES (:word)")
READ = text("SELECT count(*) FROM kept")
ONE = text("SELECT 1")


@pytest.fixture
def record_url(paired_record_url) -> str:
    """Every part of these tests works on the pair."""
    return paired_record_url


@pytest.fixture
def ours(record_url) -> Iterator[Engine]:
    """The house's own kind of engine."""
    engine = make_engine(record_url)
    with transaction(engine) as connection:
        connection.execute(MAKE)
    yield engine
    engine.dispose()


def write(engine: Engine, word: str) -> None:
    with transaction(engine) as connection:
        connection.execute(WRITE, {"word": word})


def count(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(READ).scalar_one())


def test_a_commit_its_standby_did_not_confirm_in_time_is_no_commit_to_us_until_it_is_made_sure_of(pair, ours):
    with mute(pair):
        began = time.monotonic()
        with pytest.raises(RecordUnavailable, match="standby"):
            write(ours, "unsure")
        took = time.monotonic() - began
        # PostgreSQL cannot take it back, and shows it to everybody.
        seen = count(ours)
        with pytest.raises(RecordUnavailable, match="standby"):
            make_sure(ours)
    make_sure(ours)
    pair.failover()

    assert (seen, count(ours)) == (1, 1)
    assert CONFIRM_SECONDS_MAX <= took < CONFIRM_SECONDS_MAX + 2


def test_a_cut_off_that_nobody_hears_keeps_no_other_commit_waiting(pair, ours):
    alone = text("SET LOCAL synchronous_commit TO local")
    with Wire(pair.primary.port) as wire:
        far = make_engine(f"postgresql+psycopg2://{USER}:{pair.password}@{LOOPBACK}:{wire.port}/{ours.url.database}")
        assert count(far) == 0
        wire.is_cut = True
        with ThreadPoolExecutor(1) as other, mute(pair):
            stuck = other.submit(write, far, "stuck")
            until(lambda: wire.unanswered, "the stuck commit is being cut off")
            with transaction(ours) as connection:
                connection.execute(alone)
                connection.execute(WRITE, {"word": "free"})
            still_stuck = not stuck.done()
        far.dispose()

    assert still_stuck


def test_a_server_that_dies_behind_a_read_costs_the_pool_no_connection(pair, record_url):
    engine = make_engine(record_url, pool_size=1, max_overflow=0)
    with reading(engine) as connection:
        answer = connection.execute(ONE).scalar_one()
        pair.failover()
    with reading(engine) as connection:
        again = connection.execute(ONE).scalar_one()
    with transaction(engine) as connection:
        level = connection.execute(text("SHOW transaction_isolation")).scalar_one()
    engine.dispose()

    assert (answer, again, level) == (1, 1, "read committed")


def test_a_warm_connection_is_not_asked_whether_its_server_is_there_and_a_rested_one_is(ours, monkeypatch):
    asked: list[object] = []
    ping = ours.dialect.do_ping
    monkeypatch.setattr(ours.dialect, "do_ping", lambda driver: asked.append(driver) or ping(driver))

    write(ours, "warm")
    warm = (count(ours), len(asked))
    monkeypatch.setattr("onsale.db.engine.RESTED_SECONDS", 0.0)
    rested = (count(ours), len(asked))

    assert (warm, rested) == ((1, 0), (1, 1))


def test_a_lease_is_given_back_without_waiting_for_the_standby(pair, ours):
    event_id = an_event(ours)
    found = a_booking(ours, event_id, Wish(quantity=1), number=1)
    with transaction(ours) as connection:
        charges.claim(connection, found)

    with mute(pair):
        with transaction(ours) as connection:
            charges.unclaim(connection, found)
        is_leased = leased(ours, found)

    assert not is_leased


def test_a_warning_from_an_earlier_statement_spoils_no_commit(ours):
    warns = text("DO $$ BEGIN RAISE WARNING 'so be it'; END $$")

    with transaction(ours) as connection:
        connection.execute(warns)
        connection.execute(WRITE, {"word": "kept"})

    assert count(ours) == 1


def test_a_connection_to_a_standby_is_let_go_and_the_next_one_writes(pair, ours):
    # A name or a proxy that still leads to where the primary was.
    database = ours.url.database
    here = make_engine(pair.standby.url(database))
    until(lambda: count(here) == 0, "the standby has the table")
    with closing(here.raw_connection()) as kept:
        before = kept.driver_connection
    with pytest.raises(RecordUnavailable):
        write(here, "refused")

    with closing(here.raw_connection()) as kept:
        after = kept.driver_connection
    here.dispose()

    assert before.closed
    assert after is not before


def test_a_server_that_is_silent_is_given_up_in_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = make_engine(f"postgresql+psycopg2://u:p@127.0.0.1:{port}/d?connect_timeout=2")
        began = time.monotonic()
        with pytest.raises(RecordUnavailable), reading(engine):
            pass

    assert time.monotonic() - began < 4


def test_a_url_may_set_its_own_patience_and_the_rest_is_ours(record_url):
    engine = make_engine(record_url + "&keepalives_idle=77")
    with closing(engine.raw_connection()) as connection:
        said = connection.driver_connection.get_dsn_parameters()
    engine.dispose()

    assert (said["connect_timeout"], said["keepalives_idle"], said["tcp_user_timeout"]) == ("2", "77", "10000")


def test_a_mistake_of_ours_is_not_taken_for_a_record_that_is_away(ours):
    with pytest.raises(ProgrammingError, match="can't adapt"), transaction(ours) as connection:
        connection.execute(WRITE, {"word": object()})


def test_a_repeated_booking_is_promised_only_when_the_standby_has_it(pair, web, engine, shop):
    event_id = an_event(engine)
    set_queue(engine, event_id, enabled=False)
    open_queue(shop, event_id)
    person, key = web.guest(), str(uuid4())

    with mute(pair):
        first = person.book(event_id, {"quantity": 1}, key=key)
        again = person.book(event_id, {"quantity": 1}, key=key)
    at_last = person.book(event_id, {"quantity": 1}, key=key)

    assert [each.status_code for each in (first, again, at_last)] == [503, 503, 202]
    assert [each.headers.get("Retry-After") for each in (first, again)] == ["1", "1"]
    assert len(person.get("/v1/bookings").json()["bookings"]) == 1


def test_a_request_that_waits_behind_a_stuck_commit_is_told_to_come_back(pair, web, engine, shop):
    event_id = an_event(engine)
    set_queue(engine, event_id, enabled=False)
    open_queue(shop, event_id)
    person = web.guest()
    url = person.book(event_id, {"quantity": 1}).headers["Location"]

    with ThreadPoolExecutor(1) as other, mute(pair):
        stuck = other.submit(person.ask, "DELETE", url)
        until(lambda: waits_for_the_standby(pair), "the first cancellation waits for the standby")
        behind = person.ask("DELETE", url)
        first = stuck.result(20)
    at_last = person.ask("DELETE", url)

    assert (behind.status_code, first.status_code, at_last.status_code) == (503, 503, 200)
    assert at_last.json()["state"] == "cancelled"


def bank_takes(shop, *, delay_ms: int) -> None:
    httpx.post(
        f"{shop.config.stripe_api_base}/_simulator/settings",
        json={"delay_ms": delay_ms},
        headers={"Authorization": f"Bearer {shop.config.stripe_secret_key}"},
    ).raise_for_status()


def test_a_payment_interrupted_by_a_failover_goes_on_at_once_and_charges_once(pair, paying_shop):
    shop = paying_shop
    booking_id = being_paid(shop)
    bank_takes(shop, delay_ms=700)

    # The record dies while the worker has the lease.
    with ThreadPoolExecutor(1) as other:
        working = other.submit(resume, shop, booking_id)
        until(lambda: leased(shop.engine, booking_id), "the worker has the booking")
        pair.kill()
        assert not working.done(), "the bank has not answered yet"
        until(lambda: not pair.answers(), "nobody answers")
        pair.promote()
        # Either it found the new primary by itself, or it was interrupted and says when to come back.
        working.result(30)
    began = time.monotonic()
    until(lambda: resume(shop, booking_id).again_seconds is None, "the payment is finished")

    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED
    assert time.monotonic() - began < 10
    assert money(shop, booking_id) == 4500


def test_tickets_that_only_the_primary_knows_as_sold_are_not_charged_for(pair, paying_shop):
    shop = paying_shop
    booking_id = being_paid(shop)
    STEPS[Step.AUTHORISE](shop, charge(shop, booking_id))

    with mute(pair):
        with pytest.raises(RecordUnavailable, match="standby"), transaction(shop.engine) as connection:
            charges.commit(connection, booking_id)
        seen = booking(shop.engine, booking_id).state
        unsure = resume(shop, booking_id)
        captured = money(shop, booking_id)
    resume(shop, booking_id)

    assert seen is BookingState.COMMITTED
    assert (unsure.steps, captured) == ((), 0)
    assert unsure.again_seconds is not None
    assert money(shop, booking_id) == 4500


def being_paid(shop: Any) -> BookingId:
    """A booking that holds a seat at 45.00 and has a card to try."""
    event_id = an_event(shop.engine)
    booking_id = a_booking(shop.engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=True)
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=VISA, return_url="https://shop.example/back")
    return booking_id


def charge(shop: Any, booking_id: BookingId) -> Charge:
    with reading(shop.engine) as connection:
        found = charges.charge_of(connection, booking_id)
    assert found is not None
    return found


def money(shop: Any, booking_id: BookingId) -> int:
    """What the bank has taken for a booking."""
    payment = charge(shop, booking_id).payment
    assert payment is not None
    return int(shop.provider.retrieve_intent(payment.intent_id).captured_minor)


def leased(engine: Engine, booking_id: BookingId) -> bool:
    with reading(engine) as connection:
        asked = text("SELECT claimed_until > clock_timestamp() FROM bookings WHERE id = :id")
        return bool(connection.execute(asked, {"id": booking_id}).scalar())
