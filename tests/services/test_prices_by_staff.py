"""Tiers, prices to come, fees, tax and limits as staff set them: over the API, and in the console by plain forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueChange
from onsale.db.staff import Role, Staff, put
from onsale.web import tokens
from onsale.workers.lanes import work_lane
from tests.builders import an_event, open_queue, run_sql, seat
from tests.services.serving import Person

TIERS = [{"name": "Adult", "price_minor": 5000}, {"name": "Child", "price_minor": 2500, "most": 2}]
DUE = "2050-12-01T10:00:00.000Z"


@pytest.fixture
def event_id(engine: Any, shop: Any) -> EventId:
    found = an_event(engine, queue=QueueChange(enabled=False))
    open_queue(shop, found)
    return found


@pytest.fixture
def staff_of(web: Any, engine: Any):
    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password"))
        return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))

    return member


def at(event_id: EventId, what: str) -> str:
    return f"/v1/admin/events/{event_id}/{what}"


# Over the API.


def test_a_section_is_sold_in_tiers_and_at_one_price_again(web, event_id, staff_of):
    member = staff_of()

    told = member.ask("PATCH", at(event_id, "prices"), json={"sections": [{"id": 1, "tiers": TIERS}]})
    again = member.ask("PATCH", at(event_id, "prices"), json={"sections": [{"id": 1, "tiers": []}]})

    (section,) = told.raise_for_status().json()["sections"]
    assert [(one["name"], one["total_minor"], one["most"]) for one in section["tiers"]] == [
        ("Adult", 5000, None),
        ("Child", 2500, 2),
    ]
    assert (again.json()["sections"][0]["tiers"], again.json()["sections"][0]["price_minor"]) == ([], 5000)


def test_a_buyer_books_by_tier_and_the_booking_says_what_each_ticket_is(web, shop, event_id, staff_of):
    staff_of().ask("PATCH", at(event_id, "prices"), json={"sections": [{"id": 1, "tiers": TIERS}]})
    buyer = web.guest()

    asked = {"tickets": [seat(event_id, 1), seat(event_id, 2)], "tiers": [None, "Child"], "expected_total_minor": 7500}
    url = buyer.book(event_id, asked).headers["Location"]
    key = {"Idempotency-Key": str(uuid4())}
    one = buyer.ask("POST", f"/v1/book-{seat(event_id, 3)}", json={"tier": "Child"}, headers=key)
    work_lane(shop, event_id, last_look=True)

    found = buyer.get(url).json()
    assert [(each["tier"], each["total_minor"]) for each in found["tickets"]] == [("Adult", 5000), ("Child", 2500)]
    assert found["amount_minor"] == 7500
    assert buyer.get(one.headers["Location"]).json()["tickets"][0]["tier"] == "Child"


@pytest.mark.parametrize(
    ("wish", "status", "problem"),
    [
        ({"quantity": 1, "section_id": 1, "tiers": ["Senior"]}, 404, "no-such-tier"),
        ({"quantity": 1, "tiers": ["Senior"]}, 404, "no-such-tier"),
        ({"quantity": 3, "section_id": 1, "tiers": ["Child"] * 3}, 409, "tier-limit-reached"),
        ({"quantity": 2, "tiers": ["Adult"]}, 422, "bad-request"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_at_once(web, event_id, staff_of, wish, status, problem):
    staff_of().ask("PATCH", at(event_id, "prices"), json={"sections": [{"id": 1, "tiers": TIERS}]})

    told = web.guest().book(event_id, wish)

    assert (told.status_code, told.json()["type"]) == (status, f"/problems/{problem}")


def test_a_price_to_come_is_set_told_listed_and_cancelled(web, engine, event_id, staff_of):
    member = staff_of()
    body = {"section_id": 1, "price_minor": 6000, "due_at": DUE}

    made = member.post(at(event_id, "scheduled-prices"), body)
    event = web.http.get(f"/v1/events/{event_id}").json()
    ended = member.ask("DELETE", at(event_id, f"scheduled-prices/{made.json()['id']}"))
    listed = member.get(at(event_id, "scheduled-prices")).json()["scheduled"]

    assert (made.status_code, made.json()["asked_by"], made.json()["outcome"]) == (201, f"staff:{member.id}", None)
    ahead = {"due_at": DUE, "tier": None, "price_minor": 6000, "total_minor": 6000}
    assert event["sections"][0]["prices_ahead"] == [ahead]
    assert (ended.json()["outcome"], [one["outcome"] for one in listed]) == ("cancelled", ["cancelled"])
    with reading(engine) as connection:
        kinds = [(line.actor, line.kind) for line in sale_log.read(connection, event_id)][-2:]
    assert kinds == [(f"staff:{member.id}", "price_scheduled"), (f"staff:{member.id}", "scheduled_price_cancelled")]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"due_at": "2020-01-01T00:00:00Z"}, 409), ({"section_id": 9}, 404), ({"tier": "Child"}, 404)],
)
def test_a_price_that_cannot_come_is_refused(event_id, staff_of, change, status):
    body = {"section_id": 1, "price_minor": 6000, "due_at": DUE}

    assert staff_of().post(at(event_id, "scheduled-prices"), body | change).status_code == status


def test_limits_are_set_one_by_one_and_taken_away_with_null(web, event_id, staff_of):
    member = staff_of()

    first = member.ask("PATCH", at(event_id, "limits"), json={"tickets_per_card": 4, "tickets_per_address": 6}).json()
    second = member.ask("PATCH", at(event_id, "limits"), json={"tickets_per_card": None}).json()

    assert first == {"tickets_per_card": 4, "tickets_per_address": 6}
    assert second == member.get(at(event_id, "limits")).json() == {"tickets_per_card": None, "tickets_per_address": 6}
    assert web.http.get(f"/v1/events/{event_id}").json()["tickets_per_address"] == 6


CHANGES = (
    ("PATCH", "limits", {}),
    ("POST", "scheduled-prices", {"section_id": 1, "price_minor": 1, "due_at": DUE}),
    ("DELETE", "scheduled-prices/1", None),
)


@pytest.mark.parametrize(("method", "what", "body"), CHANGES)
def test_viewers_look_and_strangers_find_nothing(event_id, staff_of, method, what, body):
    viewer, stranger = staff_of(Role.VIEWER), staff_of(organiser="Somebody else")

    assert viewer.ask(method, at(event_id, what), json=body).status_code == 403
    assert stranger.ask(method, at(event_id, what), json=body).status_code == 404
    if method != "DELETE":
        assert viewer.get(at(event_id, what)).status_code == 200
        assert stranger.get(at(event_id, what)).status_code == 404


def test_two_tickets_of_one_address_are_all_it_gets_whoever_asks(web, shop, event_id, staff_of):
    staff_of().ask("PATCH", at(event_id, "limits"), json={"tickets_per_address": 2})
    one, other = web.guests(2)

    urls = [who.book(event_id, {"quantity": 2}).headers["Location"] for who in (one, other)]
    work_lane(shop, event_id, last_look=True)

    found = [who.get(url).json() for who, url in zip((one, other), urls, strict=True)]
    assert [(each["state"], each["reason"]) for each in found] == [("held", None), ("unavailable", "address_limit")]


# In the console.


class Console:
    """The page of an event's prices, and its forms as they come."""

    def __init__(self, http: httpx.Client, event_id: EventId) -> None:
        self.http, self.at = http, f"/admin/events/{event_id}/prices"

    def page(self, section: int | None = 1) -> str:
        return self.http.get(self.at, params={"section": section} if section else {}).raise_for_status().text

    def send(self, form: str, **values: Any) -> str:
        """What the page says after one of its forms was sent with these."""
        html = self.page().split(f'action="{self.at}/{form}"')[1].split("</form>")[0]
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
        sent = self.http.post(f"{self.at}/{form}", data=hidden | values)
        assert sent.status_code == 303, sent.text
        return plain(self.http.get(sent.headers["Location"]).text)


def plain(page: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def console(web: Any, staff_of: Any, event_id: EventId):
    with httpx.Client(base_url=web.address, cookies={"onsale_staff": staff_of().token}, timeout=20) as http:
        yield Console(http, event_id)


def test_tiers_are_typed_into_rows_and_one_row_without_a_name_is_one_price(engine, console, event_id):
    said = console.send("section", name=["Adult", "Child", ""], price=["50", "25.50", ""], most=["", "2", ""])
    assert "Adult €50.00 Child €25.50 at most 2 in a booking" in said
    assert 'value="25.50"' in console.page()

    console.send("section", name=["", ""], price=["44", ""], most=["", ""])
    with reading(engine) as connection:
        section = catalogue.event_by_id(connection, event_id).sections[0]
    assert (section.price_minor, section.tiers) == (4400, ())


def test_a_price_to_come_is_set_and_cancelled_by_forms(console):
    said = console.send("schedule", price="60", due_at="2050-12-01T10:00")
    assert "until Thu 1 Dec 2050, 10:00 UTC, then €60.00" in said

    said = console.send("unschedule", scheduled=re.findall(r'name="scheduled" value="(\d+)"', console.page())[0])
    assert "the price stays as it is" in said
    assert "then €60.00" not in said


def test_fees_and_tax_are_typed_as_people_write_them(engine, console, event_id):
    said = console.send(
        "terms", ticket_fee_minor="1.50", ticket_fee_bp="8.25", booking_fee_minor="2", tax_bp="19", fees_taxed="yes"
    )

    assert "Fees and tax are in force." in said
    with reading(engine) as connection:
        terms = catalogue.event_by_id(connection, event_id).terms
    assert (terms.ticket_fee_minor, terms.ticket_fee_bp, terms.booking_fee_minor, terms.tax_bp) == (150, 825, 200, 1900)
    assert (terms.ticket_fee_included, terms.tax_included, terms.fees_taxed) == (False, False, True)
    assert 'value="8.25"' in console.page()


def test_limits_are_typed_and_emptied(engine, console, event_id):
    console.send("limits", tickets_per_card="4", tickets_per_address="20")
    assert 'value="20"' in console.page()

    console.send("limits", tickets_per_card="", tickets_per_address="20")
    with reading(engine) as connection:
        event = catalogue.event_by_id(connection, event_id)
    assert (event.tickets_per_card, event.tickets_per_address) == (None, 20)


@pytest.mark.parametrize(
    ("form", "values", "says"),
    [
        ("section", {"name": [""], "price": [""], "most": [""]}, "Give a price."),
        ("section", {"name": ["A", ""], "price": ["1", "2"], "most": ["", ""]}, "has a name and a price"),
        ("section", {"name": ["A"], "price": ["x"], "most": [""]}, "'x' is no amount"),
        ("section", {"name": ["A"], "price": ["1"], "most": ["x"]}, "Give a whole number."),
        ("schedule", {"price": "60", "due_at": "soon"}, "Give a day and a time"),
        ("schedule", {"price": "60", "due_at": "2020-01-01T10:00"}, "This moment has passed."),
        ("schedule", {"price": "", "due_at": "2050-01-01T10:00"}, "Give a price."),
        ("terms", {"tax_bp": "101"}, "at most 100 %"),
        ("terms", {"tax_bp": "x"}, "A rate looks like 19 or 8.25."),
        ("limits", {"tickets_per_card": "0"}, "A limit is 1 to 10,000 tickets"),
    ],
)
def test_what_does_not_fit_is_said_in_words(console, form, values, says):
    # None is listed yet, so there is no form to cancel one.
    assert says in console.send(form, **values)


def test_who_is_not_signed_in_is_asked_to(web, event_id):
    answer = web.http.get(f"/admin/events/{event_id}/prices")

    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/admin/sign-in")


def test_the_console_tells_takings_less_what_is_given_back(engine, web, console, event_id):
    web.http.get(f"/v1/events/{event_id}/queue")
    run_sql(engine, "UPDATE queue_settings SET enabled = true WHERE event_id = :id", id=event_id)

    said = plain(console.http.get(f"/admin/events/{event_id}").text)

    assert "Takings €0.00 less refunds" in said


def test_a_refund_that_the_bank_refuses_is_counted_in_the_metrics(engine, web):
    names = web.http.get("/metrics").raise_for_status().text

    assert re.search(r'onsale_refunds_failed{tried="no_more"} 0.0', names)
