"""A place's pages without a script: taking it along, being told, taking it back, and what a revoked buyer reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue, journal, queue_guards, revocations
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.queue_guards import GuardChange
from onsale.db.revocations import Which
from onsale.db.staff import Role, Staff, put
from onsale.web import tokens
from onsale.workers import journaling
from tests.builders import an_event, open_queue
from tests.services.serving import Web


class Browser:
    """Somebody who reads pages and presses buttons, without a script."""

    def __init__(self, address: str, **cookies: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=20, follow_redirects=True, cookies=cookies)
        self.page = ""

    def go(self, path: str) -> str:
        self.page = self.http.get(path).text
        return self.page

    def press(self, action: str, **form: str) -> httpx.Response:
        """Send the form that goes there, with what it holds."""
        found = next(each for each in re.findall(r"<form.*?</form>", self.page, re.S) if f'action="{action}"' in each)
        kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found))
        answer = self.http.post(action, data={**{name: unescape(value) for name, value in kept.items()}, **form})
        self.page = answer.text
        return answer

    @property
    def words(self) -> str:
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.page)).split())


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def browsers(web: Web) -> Iterator[list[Browser]]:
    opened = [Browser(web.address) for _ in range(3)]
    yield opened
    for one in opened:
        one.http.close()


def joined(browser: Browser, event_id: EventId) -> None:
    browser.go(f"/events/{event_id}")
    browser.press(f"/events/{event_id}/queue")
    browser.go(f"/events/{event_id}/queue")


def code_of(browser: Browser, event_id: EventId) -> str:
    browser.press(f"/events/{event_id}/queue/move")
    found = re.search(r'data-fact="code">([^<]+)<', browser.page)
    assert found, browser.words
    return found[1]


def takes(browser: Browser, code: str) -> None:
    browser.go("/move")
    # The form is the page's own: it names no action.
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.page.partition('class="card stack"')[2])
    assert token
    browser.page = browser.http.post("/move", data={"csrf_token": token[1], "code": code}).text


def test_a_place_is_taken_along_told_of_and_taken_back(browsers, event_id):
    old, new, _ = browsers
    joined(old, event_id)

    code = code_of(old, event_id)
    picture = old.page
    takes(new, code)
    there, told = new.words, old.go(f"/events/{event_id}/queue") and old.words
    old.press(f"/events/{event_id}/queue/take-back")
    back = old.words
    new.go(f"/events/{event_id}/queue")

    assert "<svg" in picture
    assert "style=" not in picture.partition("<svg")[2].partition("</svg>")[0]
    assert "on this device now" in there
    assert re.search(r"Your place moved to another device at \d\d:\d\d:\d\d UTC", told)
    assert "on this device again" in back
    assert "moved to another device" in new.words


def test_an_account_goes_on_at_a_device_that_never_had_the_place_with_its_password(web, event_id):
    credentials = {"email": f"{uuid4().hex}@example.org", "password": "a long enough password"}
    token = web.http.post("/v1/accounts", json=credentials).raise_for_status().json()["token"]
    old, new = (Browser(web.address, onsale_buyer=token) for _ in range(2))
    joined(old, event_id)
    code_of(old, event_id)

    new.go(f"/events/{event_id}/queue")
    told = new.words
    new.press(f"/events/{event_id}/queue/take-back", password="a wrong guess")
    guessed = new.words
    new.press(f"/events/{event_id}/queue/take-back", password=credentials["password"])
    old.go(f"/events/{event_id}/queue")

    assert "To go on here, your password" in told
    assert "Take my place to another device" not in told
    assert "on this device again" not in guessed
    assert "on this device again" in new.words
    assert "Your place moved to another device" in old.words
    old.http.close()
    new.http.close()


def test_looking_at_the_page_of_a_code_changes_nothing(browsers, event_id, redis_client):
    old, new, _ = browsers
    joined(old, event_id)
    code = code_of(old, event_id)

    new.go(f"/move?code={code}")

    assert len(list(redis_client.scan_iter("move:*"))) == 1
    assert code not in new.page


def test_a_code_in_no_address_is_sent_to_nobody(browsers, event_id, web):
    joined(browsers[0], event_id)

    code = code_of(browsers[0], event_id)

    assert code not in str(browsers[0].http.cookies)
    assert f"/move#{code}" not in browsers[0].page
    assert browsers[0].http.post(f"/events/{event_id}/queue/move").status_code == 400


def test_a_guest_in_two_browsers_is_two_and_after_the_move_one(browsers, web, event_id):
    old, new, _ = browsers
    joined(old, event_id)
    joined(new, event_id)

    takes(new, code_of(old, event_id))
    old.go("/bookings")
    buyers = {
        tokens.check(web.office.config, browser.http.cookies["onsale_buyer"], audience=tokens.BUYERS).subject
        for browser in (old, new)
    }

    assert len(buyers) == 1


def test_a_revoked_buyer_reads_a_polite_page_with_whom_to_write_to(browsers, web, engine, shop, event_id):
    browser = browsers[0]
    joined(browser, event_id)
    journaling.write_journal(shop, event_id)
    with transaction(engine) as connection:
        assert journal.is_given(connection, event_id, 1)
        queue_guards.change(connection, event_id, GuardChange(contact="help@example.org"), actor="test")
        revocations.make(connection, event_id, Which(number=1), revocation_id=uuid4(), reason="x", actor="test")
    web.office.guards.forget(event_id)

    answer = browser.http.get(f"/events/{event_id}/queue")
    browser.page = answer.text

    assert answer.status_code == 200
    assert "Your place was taken out of the queue" in browser.words
    assert "help@example.org" in browser.words


def test_without_a_script_the_page_says_that_joining_needs_one(browsers, web, engine, event_id):
    with transaction(engine) as connection:
        queue_guards.change(connection, event_id, GuardChange(work_bits=8), actor="test")
    browsers[0].go(f"/events/{event_id}")

    browsers[0].press(f"/events/{event_id}/queue")

    assert "Joining needs JavaScript at this event" in browsers[0].words
    assert "asks newcomers for a computation first" in browsers[0].words


# The console.


@pytest.fixture
def console(web, engine) -> Iterator[Browser]:
    with transaction(engine) as connection:
        organiser_id = catalogue.add_organiser(connection, "Test organiser")
        one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", Role.ADMIN, "no password"))
    token = tokens.sign(web.office.config, one.id, audience=tokens.STAFF)
    browser = Browser(web.address, onsale_staff=token)
    yield browser
    browser.http.close()


def test_the_console_counts_revokes_and_undoes(console, browsers, web, shop, event_id):
    joined(browsers[0], event_id)
    journaling.write_journal(shop, event_id)
    address = f"/admin/events/{event_id}/guard"
    console.go(address)

    console.press(f"{address}/count", what="127.0.0.0/8", reason="A script")
    counted = console.words
    untouched = "out of the queue" not in (browsers[0].go(f"/events/{event_id}/queue") and browsers[0].words)
    console.press(f"{address}/revoke")
    revoked = console.words
    gone = "out of the queue" in (browsers[0].go(f"/events/{event_id}/queue") and browsers[0].words)
    revocation = re.search(r'name="revocation" value="([^"]+)"', console.page)
    assert revocation
    console.press(f"{address}/undo", revocation=revocation[1])

    assert "127.0.0.0/8: 1 place" in counted
    assert "Nothing has been done yet" in counted
    assert untouched
    assert "Revoked: 1 place" in revoked
    assert gone
    assert "Undone: 1 place stands again" in console.words


def test_the_console_changes_what_newcomers_are_asked_and_undoes_it(console, engine, event_id):
    address = f"/admin/events/{event_id}/guard"
    console.go(address)

    console.press(f"{address}/settings", work_bits="18", contact="help@example.org")
    with transaction(engine) as connection:
        changed = queue_guards.get(connection, event_id)
    undo = re.findall(r"<form.*?</form>", console.page, re.S)
    (back,) = (each for each in undo if "Undo: back to" in each)
    kept = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', back))
    console.http.post(f"{address}/settings", data=kept)
    with transaction(engine) as connection:
        undone = queue_guards.get(connection, event_id)

    assert (changed.work_bits, changed.contact) == (18, "help@example.org")
    assert (undone.work_bits, undone.contact) == (0, "")
