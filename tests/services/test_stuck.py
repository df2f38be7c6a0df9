"""What is stuck past its limit raises an alarm: on /metrics, once in the log and the sale log, on the console."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from onsale.db import catalogue, charges, holds, sale_log, stuck
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.staff import Role, Staff, put
from onsale.db.states import BookingState
from onsale.db.stuck import Kind
from onsale.db.wishes import Wish
from onsale.web import tokens
from onsale.workers.lanes import work_lane
from onsale.workers.stuck import watch
from tests.builders import a_booking, an_event, booking, let_the_hold_run_out, run_sql, seat, set_queue, until
from tests.services.buyers_page import words_of

WELL_OVER = 100_000


@pytest.fixture
def event_id(engine) -> EventId:
    return an_event(engine)


def queued(shop: Any, event_id: EventId, n: int = 1, **more: Any) -> BookingId:
    return a_booking(shop.engine, event_id, Wish(tickets=(seat(event_id, n),)), number=n, **more)


def held(shop: Any, event_id: EventId, n: int = 1) -> BookingId:
    booking_id = queued(shop, event_id, n)
    work_lane(shop, event_id, last_look=True)
    return booking_id


def committed(shop: Any, event_id: EventId, n: int = 1) -> BookingId:
    booking_id = held(shop, event_id, n)
    with transaction(shop.engine) as connection:
        attempt = charges.new_attempt(connection, booking_id, payment_method="pm_card_visa").attempt
        charges.authorised(connection, booking_id, attempt)
        charges.commit(connection, booking_id)
    return booking_id


def ended_with_an_open_payment(shop: Any, event_id: EventId) -> BookingId:
    booking_id = held(shop, event_id)
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method="pm_card_visa")
        charges.intent_created(
            connection,
            booking_id,
            intent_id=f"pi_{booking_id}",
            client_secret="",
            status="requires_capture",
            amount_minor=4500,
            currency="eur",
        )
        holds.begin_voiding(connection, booking_id, reason="expired")
        holds.end_voided(connection, booking_id, state=BookingState.EXPIRED)
    return booking_id


def refunding(shop: Any, event_id: EventId) -> BookingId:
    booking_id = committed(shop, event_id)
    with transaction(shop.engine) as connection:
        charges.captured(connection, booking_id, amount_minor=4500)
    run_sql(shop.engine, "UPDATE bookings SET state = 'refunding', version = version + 1 WHERE id = :id", id=booking_id)
    return booking_id


def let_in_and_waiting(shop: Any, event_id: EventId) -> BookingId:
    booking_id = queued(shop, event_id, state=BookingState.WAITING)
    run_sql(
        shop.engine,
        """INSERT INTO admission_log (event_id, seq, first, last, return_first, return_last, admitted, at)
           VALUES (:event_id, 1, 1, 5, 0, 0, 5, clock_timestamp())""",
        event_id=event_id,
    )
    return booking_id


MADE = {
    Kind.UNDECIDED: queued,
    Kind.TURN_MISSED: let_in_and_waiting,
    Kind.OVERDUE: held,
    Kind.UNCAPTURED: committed,
    Kind.UNRELEASED: ended_with_an_open_payment,
    Kind.REFUND_OPEN: refunding,
}


def let_time_pass(engine, seconds: float) -> None:
    """As if everything on record had happened so long ago."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table, columns in {
            "bookings": ("created_at", "queued_at", "decided_at", "hold_until", "ended_at"),
            "booking_history": ("at",),
            "admission_log": ("at",),
            "sale_log": ("at",),
        }.items():
            moved = ", ".join(f"{one} = {one} - interval '{seconds} seconds'" for one in columns)
            connection.exec_driver_sql(f"UPDATE {table} SET {moved}")


def found(engine, event_id: EventId | None = None) -> dict[Kind, int]:
    with reading(engine) as connection:
        return {kind: count for kind, count in stuck.find(connection, event_id=event_id).counts.items() if count}


@pytest.mark.parametrize("kind", Kind)
def test_a_booking_is_stuck_just_beyond_its_limit_and_not_before(shop, engine, event_id, kind):
    booking_id = MADE[kind](shop, event_id)
    limit = stuck.RULES[kind].seconds
    if kind is Kind.OVERDUE:
        let_the_hold_run_out(engine, booking_id, seconds=0)

    before = found(engine)
    let_time_pass(engine, limit - 20)
    still_before = found(engine)
    let_time_pass(engine, 21)

    assert (before, still_before) == ({}, {})
    assert found(engine) == {kind: 1}
    assert found(engine, an_event(engine)) == {}


def test_a_sale_that_is_well_has_none(sale):
    assert found(sale.engine) == {}
    let_time_pass(sale.engine, stuck.SETTLE_SECONDS)
    # What is sold and what has ended stays so; the one hold has minutes left.
    assert found(sale.engine) == {}
    assert watch(sale.shop) == ()


def test_nobody_is_stuck_while_selling_is_stopped_and_the_time_begins_when_it_goes_on(shop, engine, event_id):
    queued(shop, event_id)
    set_queue(engine, event_id, selling=False)
    let_time_pass(engine, WELL_OVER)
    stopped = found(engine)

    set_queue(engine, event_id, selling=True)

    assert (stopped, found(engine)) == ({}, {})
    let_time_pass(engine, stuck.DECIDE_SECONDS + 1)
    assert found(engine) == {Kind.UNDECIDED: 1}


def test_the_alarm_is_raised_once_for_each_with_what_to_do(shop, engine, event_id):
    booking_id = committed(shop, event_id)
    let_time_pass(engine, stuck.SETTLE_SECONDS + 1)

    with capture_logs() as said:
        first, again = watch(shop), watch(shop)

    (alarm,) = [line for line in said if line["event"] == "booking_stuck"]
    assert ([one.booking_id for one in first], again) == ([booking_id], ())
    assert (alarm["log_level"], alarm["booking_id"], alarm["kind"]) == ("error", str(booking_id), "uncaptured")
    assert alarm["do"] == stuck.RULES[Kind.UNCAPTURED].do
    with reading(engine) as connection:
        lines = [line for line in sale_log.newest(connection, event_id) if line.kind == "booking_stuck"]
    assert [(line.actor, line.body["booking_id"]) for line in lines] == [("alarm", str(booking_id))]


def test_metrics_count_every_kind_also_when_there_is_none(shop, web, engine, event_id):
    before = metrics(web)
    queued(shop, event_id, 1)
    queued(shop, event_id, 2)
    let_time_pass(engine, stuck.DECIDE_SECONDS + 1)

    assert before == {kind.value: 0 for kind in Kind}
    # What is told to Prometheus is read every few seconds.
    until(lambda: metrics(web) == before | {"undecided": 2}, "the metrics count two")


def metrics(web) -> dict[str, float]:
    text = web.http.get("/metrics").raise_for_status().text
    return {kind: float(value) for kind, value in re.findall(r'onsale_stuck_bookings{kind="(\w+)"} (\S+)', text)}


@pytest.fixture
def console(web, engine, event_id):
    """The console's pages of an organiser's staff."""

    def signed_in(organiser: str = "Test organiser") -> httpx.Client:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", Role.VIEWER, "none"))
        token = tokens.sign(web.office.config, one.id, audience=tokens.STAFF)
        return httpx.Client(base_url=web.address, cookies={"onsale_staff": token}, timeout=20)

    return signed_in


def test_the_console_says_that_nothing_is_stuck(console, event_id):
    with console() as staff:
        page = staff.get(f"/admin/events/{event_id}").raise_for_status().text

    assert "Every booking is decided, paid and ended in its time." in words_of(page)


def test_the_console_shows_what_is_stuck_and_leads_to_the_booking(shop, engine, console, event_id):
    ids = [committed(shop, event_id, n) for n in range(1, 8)]
    let_time_pass(engine, 600)

    with console() as staff:
        page = staff.get(f"/admin/events/{event_id}").raise_for_status().text
        links = re.findall(rf'href="(/admin/events/{event_id}/bookings/[^"]+)"', page)
        shown = words_of(staff.get(links[0]).raise_for_status().text)

    assert "7 bookings sold and not paid." in words_of(page)
    assert "and 2 more" in words_of(page)
    assert len(links) == 5
    first = booking(engine, ids[0])
    assert str(first.id) in shown
    assert "Stuck for 10 minutes: sold and not paid." in shown
    assert "Now: Tickets secured" in shown


def test_a_booking_is_shown_to_staff_of_its_event_alone(shop, console, event_id, web, engine):
    path = f"/admin/events/{event_id}/bookings/{held(shop, event_id)}"
    elsewhere = path.replace(f"/events/{event_id}/", f"/events/{an_event(engine)}/")

    with console() as ours, console("Somebody else") as theirs:
        answers = [ours.get(path), ours.get(elsewhere), theirs.get(path), httpx.get(web.address + path)]

    assert [answer.status_code for answer in answers] == [200, 404, 404, 303]
    assert answers[3].headers["Location"].startswith("/admin/sign-in")
