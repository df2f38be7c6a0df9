"""A small sale that buyers make over HTTP: one pays, one pays and gives it back, one comes too late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from onsale.db import refund_settings
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.refund_rules import RefundRules
from onsale.workers.admissions import Admitter, tell_stock
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.refunds import settle
from tests.builders import an_event, open_queue, seat, until
from tests.services.buyers_page import COOKIE
from tests.services.refunding import VISA
from tests.services.serving import Person, Web, serving


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


@contextmanager
def a_sale_over_http(paying_shop: Any, engine: Any) -> Iterator[HttpSale]:
    """The sale, with its web still running."""
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
        # As `onsale admit` does once a second: nobody runs here, and whoever verifies would wait for it in vain.
        tell_stock(paying_shop, event_id)
        yield HttpSale(web, paying_shop, engine, event_id, people, booked)
