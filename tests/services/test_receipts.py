"""A buyer's receipt, and the report of a sale that buyers made over HTTP: each finds their own lines in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from onsale.db import catalogue, clock, refund_settings
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.refund_rules import RefundRules
from onsale.report import files
from onsale.report.signing import report_key
from onsale.report.writing import About
from onsale.workers import chaining
from onsale.workers.admissions import Admitter
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.refunds import settle
from tests.builders import an_event, open_queue, seat, until
from tests.services.buyers_page import COOKIE, Shown
from tests.services.refunding import VISA
from tests.services.serving import Person, Web, serving
from tests.services.small_sale import verified
from tests.services.test_sale_report import run_by_a_stranger


@dataclass
class HttpSale:
    """Three buyers over HTTP: one who paid, one who paid and gave it back, one who came too late for a seat."""

    web: Web
    shop: Any
    engine: Any
    event_id: EventId
    people: list[Person]
    bookings: list[str]

    def receipt(self, which: int) -> dict[str, Any]:
        answer = self.people[which].get(f"/v1/bookings/{self.bookings[which]}/receipt")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def page(self, which: int) -> str:
        return self.page_for(self.people[which], self.bookings[which]).text

    def page_for(self, person: Person, booking_id: str) -> httpx.Response:
        cookie = {"Cookie": f"{COOKIE}={person.token}"}
        return self.web.http.get(f"/bookings/{booking_id}/receipt", headers=cookie)


def come_in(web: Web, shop: Any, event_id: EventId, person: Person) -> str:
    """Join, be let in, enter; what the queue did is journaled as `onsale admit` does."""
    person.join(event_id)
    admitter = Admitter(shop)

    def admitted() -> bool:
        admitter.go_round(time.monotonic())
        return person.get(f"/v1/events/{event_id}/queue/me").json()["standing"] == "admitted"

    until(admitted, "the person is admitted")
    return person.enter(event_id)


def journaled(shop: Any, engine: Any, event_id: EventId, people: int) -> None:
    admitter = Admitter(shop)

    def written() -> bool:
        admitter.go_round(time.monotonic())
        with reading(engine) as connection:
            counts = (
                "SELECT (SELECT count(*) FROM join_journal), (SELECT coalesce(sum(admitted), 0) FROM admission_log)"
            )
            return tuple(connection.exec_driver_sql(counts).one()) == (people, people)

    until(written, "what the queue did is on record")


@pytest.fixture
def http_sale(paying_shop, engine):
    event_id = an_event(engine)
    with transaction(engine) as connection:
        rules = RefundRules(cancel_until_hours=1, fee_minor=0, fee_basis_points=0)
        refund_settings.change(connection, event_id, rules, actor="test")
    open_queue(paying_shop, event_id)
    with serving(paying_shop.config) as web:
        people, booked = web.guests(3), []
        for person, number in zip(people, (1, 2, 1), strict=True):
            token = come_in(web, paying_shop, event_id, person)
            wish = {"tickets": [seat(event_id, number)], "or_similar": False}
            booked.append(person.book(event_id, wish, admission_token=token).json()["id"])
        journaled(paying_shop, engine, event_id, 3)
        work_lane(paying_shop, event_id, last_look=True)
        for person, booking_id in list(zip(people, booked, strict=True))[:2]:
            person.post(f"/v1/bookings/{booking_id}/payment", {"payment_method": VISA}, key="k").raise_for_status()
            resume(paying_shop, BookingId(UUID(booking_id)))
        given_back = people[1].post(f"/v1/bookings/{booked[1]}/refund", {"amount_minor": 4500}, key="back")
        given_back.raise_for_status()
        settle(paying_shop, BookingId(UUID(booked[1])))
        yield HttpSale(web, paying_shop, engine, event_id, people, booked)


def test_a_receipt_tells_the_way_from_the_queue_to_the_payment(http_sale):
    chaining.chain(http_sale.engine)

    paid, back, late = (http_sale.receipt(which) for which in range(3))

    steps = [step["step"] for step in paid["steps"]]
    assert steps == ["joined", "admitted", "queued", "held", "authorising", "authorised", "committed", "confirmed"]
    assert [step["at"] for step in paid["steps"]] == sorted(step["at"] for step in paid["steps"])
    assert paid["steps"][0]["words"] == "Joined the queue as number 1"
    assert [step["step"] for step in back["steps"]][-2:] == ["refunding", "refunded"]
    assert [step["step"] for step in late["steps"]] == ["joined", "admitted", "queued", "unavailable"]
    assert [orjson.loads(each["line"])["t"] for each in paid["lines"]].count("capture") == 1


def test_a_receipt_before_the_log_is_chained_says_so(http_sale):
    found = http_sale.receipt(0)

    assert (found["pseudonym"], found["lines"]) == ("", [])
    assert "within seconds" in http_sale.page(0)


def test_the_page_shows_the_same_and_how_to_look_it_up(http_sale):
    chaining.chain(http_sale.engine)

    page, found = http_sale.page(0), http_sale.receipt(0)

    words = [step["words"] for step in found["steps"]]
    assert [said for _, said in Shown(page).timeline] == words
    assert f"--find {found['pseudonym']}" in page


def test_a_receipt_is_nobody_elses_business(http_sale):
    stranger = http_sale.people[1]

    assert stranger.get(f"/v1/bookings/{http_sale.bookings[0]}/receipt").status_code == 404
    assert http_sale.page_for(stranger, http_sale.bookings[0]).status_code == 404


def test_a_sale_over_http_is_reported_and_each_buyer_finds_their_lines(http_sale, tmp_path):
    chaining.chain(http_sale.engine)
    with reading(http_sale.engine) as connection:
        event = catalogue.event_by_id(connection, http_sale.event_id)
        at = clock.now(connection)
    found = verified(http_sale.shop, http_sale.event_id, agree_seconds=10.0)
    about = About(event, found, at, report_key(http_sale.shop.config))
    made = files.write(http_sale.engine, about, tmp_path, told=lambda *_: None)

    for which, person in enumerate(http_sale.people):
        receipt = http_sale.receipt(which)
        done = run_by_a_stranger(tmp_path, made.name, "--key", about.key.public, "--find", receipt["pseudonym"])
        assert done.returncode == 0, done.stdout + done.stderr
        assert [each["line"] for each in receipt["lines"] if receipt["pseudonym"] in each["line"]] == [
            line for line in done.stdout.splitlines() if line.startswith("{")
        ]
        assert person.id not in made.read_text()
    assert "tickets_sold: 1" in done.stdout
    assert "captured_minor: {'eur': 9000}" in done.stdout
    assert "refunded_minor: {'eur': 4500}" in done.stdout
    assert "admitted: 3" in done.stdout
