"""The waiting list as buyers and staff meet it: API, plain pages, console, letters and their way out."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue, queue_guards, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.queue_guards import GuardChange
from onsale.db.queue_settings import QueueChange
from onsale.db.staff import Role, Staff, put
from onsale.queue.work import solve
from onsale.web import passwords, tokens
from onsale.workers.admissions import tell_stock
from tests.builders import an_event, open_queue, run_sql
from tests.services.serving import Person, Web
from tests.services.test_waiting_list import House


@pytest.fixture
def house(paying_shop, engine) -> House:
    return House(paying_shop, engine, 1, 1)


def account(web: Web) -> Person:
    email = f"{uuid4().hex}@example.org"
    signed = web.http.post("/v1/accounts", json={"email": email, "password": "a long enough password"})
    body = signed.raise_for_status().json()
    return Person(web.http, body["token"], body["buyer_id"])


def staff_member(web: Web, engine: Any, role: Role = Role.ADMIN) -> Person:
    with transaction(engine) as connection:
        organiser = catalogue.add_organiser(connection, "Test organiser")
        one = put(connection, Staff(uuid4(), organiser, f"{uuid4().hex}@example.org", role, "no password"))
    return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def test_a_buyer_is_on_the_list_is_offered_a_ticket_and_says_no(web, house):
    first, second = web.guests(2)
    path = f"/v1/events/{house.event_id}/waiting-list/me"

    joined = [one.post(path, {}) for one in (first, second, first)]
    house.come_back(0)
    house.round()
    offered, waits = first.get(path).json(), second.get(path).json()
    left = first.ask("DELETE", path)
    house.round()
    house.round()

    assert [one.status_code for one in joined] == [201, 201, 200]
    assert (offered["standing"], waits["standing"], waits["before"]) == ("offered", "in_line", 0)
    assert left.status_code == 204
    assert first.get(path).json()["end_reason"] == "declined"
    assert second.get(path).json()["standing"] == "offered"


def test_where_newcomers_compute_the_waiting_list_takes_the_work_and_whoever_has_a_number(web, house, engine):
    with transaction(engine) as connection:
        queue_guards.change(connection, house.event_id, GuardChange(work_bits=8), actor="test")
    web.office.guards.forget(house.event_id)
    path = f"/v1/events/{house.event_id}/waiting-list/me"
    newcomer, queued = web.guests(2)

    refused = newcomer.post(path, {})
    joined = newcomer.post(path, {}, Join_Work=solved(newcomer, house.event_id))
    first_the_queue = queued.post(f"/v1/events/{house.event_id}/queue", Join_Work=solved(queued, house.event_id))
    then_the_list = queued.post(path, {})

    assert (refused.status_code, slug(refused)) == (409, "work-needed")
    assert [one.status_code for one in (joined, first_the_queue, then_the_list)] == [201, 201, 201]


def solved(person: Person, event_id: int) -> str:
    asked = person.post(f"/v1/events/{event_id}/queue/challenge").raise_for_status().json()
    return solve(asked["challenge"], asked["bits"])


def test_the_plain_page_of_the_list_has_a_place_for_the_work(web, house, engine):
    with transaction(engine) as connection:
        queue_guards.change(connection, house.event_id, GuardChange(work_bits=8), actor="test")
    web.office.guards.forget(house.event_id)
    person = web.guest()
    cookies = {"Cookie": f"onsale_buyer={person.token}"}

    form = web.http.get(f"/events/{house.event_id}/waiting-list", headers=cookies).text

    assert f'data-work-url="/events/{house.event_id}/queue/challenge"' in form
    assert "Joining needs JavaScript at this event" in form


def test_without_a_list_nobody_is_on_it(web, engine, paying_shop):
    event_id = an_event(engine)
    open_queue(paying_shop, event_id)
    tell_stock(paying_shop, event_id)

    answer = web.guest().post(f"/v1/events/{event_id}/waiting-list/me", {})

    assert (answer.status_code, slug(answer)) == (409, "waiting-list-closed")


def test_who_has_tickets_is_not_put_on_the_list(web, house, engine):
    buyer = web.guest()
    run_sql(engine, f"UPDATE bookings SET buyer_id = '{buyer.id}' WHERE id = '{house.sold[0]}'")

    answer = buyer.post(f"/v1/events/{house.event_id}/waiting-list/me", {})

    assert slug(answer) == "has-tickets-already"


def test_only_an_account_is_written_to(web, house):
    path = f"/v1/events/{house.event_id}/waiting-list/me"

    refused, told = web.guest().post(path, {"tell": True}), account(web).post(path, {"tell": True})

    assert (slug(refused), told.status_code) == ("account-needed", 201)


def test_staff_see_the_list_switch_it_and_every_change_is_in_the_sale_log(web, house, engine):
    member, path = staff_member(web, engine), f"/v1/admin/events/{house.event_id}/waiting-list"
    web.guest().post(f"/v1/events/{house.event_id}/waiting-list/me", {})

    seen = member.get(path).json()
    off = member.ask("PATCH", path, json={"enabled": False, "version": seen["version"]})
    stale = member.ask("PATCH", path, json={"enabled": True, "version": seen["version"]})
    viewer = staff_member(web, engine, Role.VIEWER).ask("PATCH", path, json={"claim_seconds": 90})
    refused = web.guest().post(f"/v1/events/{house.event_id}/waiting-list/me", {})
    with reading(engine) as connection:
        lines = [one for one in sale_log.read(connection, house.event_id) if one.kind == "waiting_list_changed"]

    assert (seen["in_line"], seen["present"], seen["claim_seconds"]) == (1, 1, 600)
    assert (off.status_code, off.json()["enabled"]) == (200, False)
    assert (stale.status_code, viewer.status_code, slug(refused)) == (409, 403, "waiting-list-closed")
    assert [(one.actor, one.body) for one in lines] == [
        (f"staff:{member.id}", {"enabled": {"from": True, "to": False}})
    ]


class Browser:
    """Somebody without JavaScript."""

    def __init__(self, web: Web) -> None:
        self.http = httpx.Client(base_url=web.address, follow_redirects=True, timeout=20)

    def get(self, path: str) -> str:
        return self.http.get(path).raise_for_status().text

    def press(self, page: str, action: str, **fields: str) -> str:
        """Send the form with this action, as the page was drawn."""
        assert f'action="{action}"' in page, page
        csrf = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert csrf is not None
        answer = self.http.post(action, data={"csrf_token": csrf[1], **fields})
        assert answer.is_success, answer.text
        return answer.text


@pytest.fixture
def browser(web):
    one = Browser(web)
    yield one
    one.http.close()


def test_without_javascript_a_visitor_waits_is_offered_and_declines(web, house, browser):
    event, listed = f"/events/{house.event_id}", f"/events/{house.event_id}/waiting-list"

    page = browser.press(browser.get(event), listed, quantity="1")
    house.come_back(0)
    house.round()
    offered = browser.get(listed)
    left = browser.press(offered, f"{listed}/leave")

    assert "You are on the waiting list" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "A ticket came back" in offered
    assert re.search(r'href="/bookings/[0-9a-f-]{36}"', offered)
    assert "You have left the waiting list" in left


def test_who_waits_in_the_queue_at_sold_out_is_led_to_the_list(web, house, browser, engine):
    event_id = house.event_id
    browser.press(browser.get(f"/events/{event_id}"), f"/events/{event_id}/waiting-list", quantity="1")

    page = browser.get(f"/events/{event_id}/queue")

    assert "You are on the waiting list" in page


def test_a_letter_is_stopped_by_one_click_and_not_by_looking(web, house, engine):
    buyer = account(web)
    path = f"/v1/events/{house.event_id}/waiting-list/me"
    buyer.post(path, {"tell": True})
    house.come_back(0)
    house.round()
    with reading(engine) as connection:
        letter = connection.exec_driver_sql(
            "SELECT id FROM letters WHERE kind = 'ticket_back' AND buyer_id = %s", (buyer.id,)
        ).scalar_one()

    looked = web.http.get(f"/letters/{letter}/stop")
    before = buyer.get(path).json()["tell"]
    clicked = web.http.post(f"/v1/letters/{letter}/stop", data={"List-Unsubscribe": "One-Click"})

    assert looked.status_code == 200
    assert (before, clicked.status_code, buyer.get(path).json()["tell"]) == (True, 204, False)
    assert web.http.post(f"/v1/letters/{uuid4()}/stop").status_code == 404


def test_the_queue_page_lists_what_to_have_ready_and_offers_a_letter_to_an_account(web, engine, paying_shop, browser):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=1))
    open_queue(paying_shop, event_id)
    # The first number is let in at once; this visitor is the second.
    web.guest().join(event_id)
    page = browser.press(browser.get(f"/events/{event_id}"), f"/events/{event_id}/queue")
    email = f"{uuid4().hex}@example.org"
    fields = {"email": email, "password": "a long enough password", "next": f"/events/{event_id}/queue"}
    signed_up = browser.press(browser.get("/sign-up") + 'action="/sign-up"', "/sign-up", **fields)
    asked = browser.press(signed_up, f"/events/{event_id}/reminders", kind="turn_near")
    taken_back = browser.press(asked, f"/events/{event_id}/reminders", kind="turn_near", off="1")

    assert "You are here as a guest" in page
    assert "Signed in to an account" in signed_up
    assert "We have your e-mail address" in signed_up
    assert "about ten minutes before your turn" in asked
    assert "Write to me ten minutes before my turn" in taken_back


def test_the_console_turns_the_list_and_undoes_it(web, house, engine, browser):
    password, email = "a long enough password", f"{uuid4().hex}@example.org"
    with transaction(engine) as connection:
        organiser = catalogue.add_organiser(connection, "Test organiser")
        put(connection, Staff(uuid4(), organiser, email, Role.ADMIN, passwords.hashed(password)))
    page = browser.get("/admin/sign-in") + 'action="/admin/sign-in"'
    browser.press(page, "/admin/sign-in", email=email, password=password)
    at = f"/admin/events/{house.event_id}/waiting-list"

    off = browser.press(browser.get(f"/admin/events/{house.event_id}"), at, enabled="no")
    on = browser.press(off, at, enabled="yes")
    longer = browser.press(on, at, claim_minutes="30")
    refused = browser.press(longer, at, claim_minutes="0")

    assert "Undo the last change of the list" in off
    assert "The waiting list is on." in on
    assert "An offer is kept for 30 minutes; it was 10." in longer
    assert "Give a whole number of minutes" in refused
