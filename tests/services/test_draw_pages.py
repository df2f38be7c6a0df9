"""The pages of a draw without a script, and the console that runs one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue, draws, staff
from onsale.db.engine import reading, transaction
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.staff import Role, Staff
from onsale.web import passwords
from onsale.web.pages.draw_words import INFLUENCE_BEACON, INFLUENCE_NONE, INFLUENCE_WITHOUT
from tests.builders import an_event, open_queue, set_queue
from tests.services.test_draw import BEACON, SEED, VALUE, a_draw, beacon_came, entries_closed, go_round, opened

PASSWORD = "a long sentence of staff"


class Browser:
    """One visitor's pages, without a script."""

    def __init__(self, web: Any) -> None:
        self.http = httpx.Client(base_url=web.address, follow_redirects=True, timeout=20)

    def page(self, path: str) -> str:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text[:500]
        return answer.text

    def press(self, path: str, page: str, **fields: str) -> str:
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        answer = self.http.post(path, data={"csrf_token": token[1], **fields})
        assert answer.status_code == 200, answer.text[:500]
        return answer.text


def joined(web: Any, event_id: Any) -> Browser:
    browser = Browser(web)
    browser.press(f"/events/{event_id}/queue", browser.page(f"/events/{event_id}"))
    return browser


def test_before_the_draw_the_page_says_that_nobody_needs_to_be_early(web, shop, engine):
    event_id = a_draw(shop, engine)

    page = joined(web, event_id).page(f"/events/{event_id}/queue")

    assert "You are in the draw" in page
    assert "no need to be early" in page
    assert "ahead of you" not in page
    assert "Leave the queue" not in page
    assert "offered once your number is drawn" in page
    assert SEED.hex() not in page


def test_after_the_draw_the_page_shows_the_drawn_number_and_how_it_came_about(web, shop, engine):
    event_id = a_draw(shop, engine)
    browser = joined(web, event_id)
    opened(shop, engine, event_id)
    web.office.statuses.forget(event_id)

    page = browser.page(f"/events/{event_id}/queue")
    check = browser.page(f"/events/{event_id}/draw")

    assert "Your turn" in page or "It is your turn" in page or "Your drawn number" in page
    for fact in (SEED.hex(), VALUE, BEACON, INFLUENCE_BEACON, 'data-number="1"', 'data-drawn="1"', "js/draw.js"):
        assert fact in check
    # Nothing on the page may run that did not come as a file of ours.
    assert "<script>" not in check
    assert "style=" not in check


def test_while_the_beacon_is_awaited_the_page_says_what_for(web, shop, engine):
    event_id = a_draw(shop, engine)
    browser = joined(web, event_id)
    entries_closed(shop, engine, event_id)
    web.office.statuses.forget(event_id)

    page = browser.page(f"/events/{event_id}/queue")

    assert "We wait for a public value" in page
    assert BEACON in page
    # No countdown that is over: it would have every browser fetch the page again and again.
    assert "data-countdown" not in page


def test_an_opening_that_was_put_off_is_what_the_pages_say_is_waited_for(web, shop, engine, boss):
    event_id = a_draw(shop, engine)
    browser = joined(web, event_id)
    entries_closed(shop, engine, event_id)
    set_queue(engine, event_id, opens_at=datetime.now(UTC) + timedelta(hours=1))
    beacon_came(engine, event_id)
    go_round(shop, lambda: shop.store.snapshot(event_id).rules.draw.beacon_known, "the queue has heard of it")
    web.office.statuses.forget(event_id)

    page, facts = browser.page(f"/events/{event_id}/queue"), browser.page(f"/events/{event_id}/draw")
    console = boss(event_id).page(f"/admin/events/{event_id}/draw")

    assert "We wait for a public value" not in page
    assert "1 number will be drawn.</strong> The sale opens <time" in page
    assert "told here when the numbers are drawn" in facts
    assert VALUE not in page + facts
    assert "Draw with this value" not in console
    assert "The numbers are drawn when the sale opens" in console
    assert "drawn when the sale opens <time" in Browser(web).page(f"/events/{event_id}")


@pytest.mark.parametrize("beacon", ["", BEACON])
def test_what_the_organiser_could_have_influenced_is_said_openly(web, shop, engine, beacon):
    event_id = a_draw(shop, engine, beacon=beacon)

    page = Browser(web).page(f"/events/{event_id}/draw")

    assert (INFLUENCE_BEACON if beacon else INFLUENCE_NONE) in page


def test_a_show_without_a_draw_has_no_page_about_one(web, shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)

    assert web.http.get(f"/events/{event_id}/draw").status_code == 404


@pytest.fixture
def boss(web, engine):
    """Somebody of the staff, signed in to the console."""

    def signed_in(event_id: Any) -> Browser:
        with transaction(engine) as connection:
            event = catalogue.event_by_id(connection, event_id)
            email, hashed = f"{uuid4().hex}@example.org", passwords.hashed(PASSWORD)
            staff.put(connection, Staff(uuid4(), event.organiser_id, email, Role.ADMIN, hashed))
        browser = Browser(web)
        browser.press("/admin/sign-in", browser.page("/admin/sign-in"), email=email, password=PASSWORD)
        return browser

    return signed_in


def test_a_draw_is_run_from_the_console(web, shop, engine, boss):
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))
    open_queue(shop, event_id)
    console, at = boss(event_id), f"/admin/events/{event_id}/draw"

    page = console.press(f"{at}/announce", console.page(at), beacon_name=BEACON)
    with reading(engine) as connection:
        found = draws.get(connection, event_id)
    assert found.seed_hash in page
    assert found.seed.hex() not in page
    page = console.press(f"{at}/pre-queue", page)
    assert "People are joining" in page
    assert "The value is on record" not in console.press(f"{at}/beacon", page, beacon_value=VALUE)
    entries_closed(shop, engine, event_id)
    page = console.press(f"{at}/beacon", console.page(at), beacon_value=VALUE)
    assert "The value is on record" in page

    with reading(engine) as connection:
        assert draws.get(connection, event_id).beacon == VALUE


def test_a_draw_is_taken_back_or_held_without_its_beacon_from_the_console(web, shop, engine, boss):
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))
    open_queue(shop, event_id)
    console, at = boss(event_id), f"/admin/events/{event_id}/draw"

    page = console.press(f"{at}/announce", console.page(at), beacon_name=BEACON)
    page = console.press(f"{at}/withdraw", page)
    assert "first come, first served" in page
    page = console.press(f"{at}/announce", page, beacon_name=BEACON)
    page = console.press(f"{at}/pre-queue", page)
    entries_closed(shop, engine, event_id)
    page = console.press(f"{at}/without-beacon", console.page(at))

    assert INFLUENCE_WITHOUT in page


def test_the_beacon_is_told_to_buyers_only_with_the_draw(web, shop, engine):
    event_id = a_draw(shop, engine)
    entries_closed(shop, engine, event_id)
    beacon_came(engine, event_id)

    with reading(engine) as connection:
        public = draws.get(connection, event_id).public()

    assert (public["seed"], public["key"]) == ("", "")
