"""Codes that count more in a draw, as buyers and staff meet them: API, pages, console, and what verify says."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue, draw_lots
from onsale.db.engine import reading, transaction
from onsale.db.queue_settings import Phase
from onsale.db.staff import Role, Staff, put
from onsale.db.wishes import Wish
from onsale.queue.draw import best_of, draw_key, permutation
from onsale.verify import drawn
from onsale.web import tokens
from onsale.workers import journaling
from tests.builders import a_booking, a_buyer, an_event, open_queue, run_sql, set_queue
from tests.services.selling_codes import FIVE_OFF, a_code
from tests.services.serving import Person
from tests.services.test_codes_over_http import press, slug
from tests.services.test_draw import SEED, VALUE, entries_closed
from tests.services.test_draw_pages import Browser
from tests.services.test_draw_verified import broken
from tests.services.weighted_draw import FIVE_TIMES, a_weighted_draw, an_announced_draw, held, join_with


@pytest.fixture
def event_id(shop, engine):
    """A draw with a code that counts five times, in whose pre-queue one may join."""
    return a_weighted_draw(shop, engine)


@pytest.fixture
def member(web, engine):
    """Somebody of the organiser's staff."""
    with transaction(engine) as connection:
        organiser_id = catalogue.add_organiser(connection, "Test organiser")
        one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", Role.ADMIN, "no password"))
    return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))


def joins(person, event_id, code="FANS"):
    return person.post(f"/v1/events/{event_id}/queue/with-code", {"code": code})


def test_joining_with_the_code_over_the_api(web, shop, engine, event_id):
    fan, other = web.guests(2)
    other.join(event_id)

    first, again = joins(fan, event_id, " fans "), joins(fan, event_id)
    gives = other.post(f"/v1/events/{event_id}/codes", {"code": "FANS"}).json()
    held(shop, engine, event_id)
    web.office.statuses.forget(event_id)
    token = {"Queue-Token": first.json()["queue_token"]}
    place = fan.get(f"/v1/events/{event_id}/queue/me", headers=token).json()
    status = fan.get(f"/v1/events/{event_id}/queue").json()

    assert (first.status_code, again.status_code) == (201, 200)
    assert [(each.json()["number"], each.json()["weight"]) for each in (first, again)] == [(2, 5)] * 2
    assert (gives["kind"], gives["weight"]) == ("priority", 5)
    rule = permutation(draw_key(SEED, VALUE, 6), 6)
    assert (place["pre_queue_number"], place["weight"], place["drawn_number"]) == (2, 5, best_of(rule, 2, 5).drawn)
    assert status["draw"]["weights"] == [{"weight": 5, "people_max": 3}]


def test_a_code_that_does_not_count_is_refused_and_not_used(web, shop, engine, event_id):
    a_code(engine, event_id, FIVE_OFF, "FIVE")
    early, late, typo = web.guests(3)
    early.join(event_id)
    plain = an_event(engine)
    open_queue(shop, plain)

    refused = [joins(early, event_id), joins(typo, event_id, "FIVE")]
    unknown = [joins(typo, event_id, "GUESS"), joins(typo, plain)]
    entries_closed(shop, engine, event_id)
    refused.append(joins(late, event_id))

    assert [(each.status_code, slug(each)) for each in refused] == [(409, "weight-not-counted")] * 3
    assert [slug(each) for each in unknown] == ["code-unknown"] * 2
    with reading(engine) as connection:
        assert draw_lots.rows(connection, event_id) == {}
    assert early.get(f"/v1/events/{event_id}/queue/me").json()["weight"] == 1


def test_the_console_makes_one_and_shows_what_is_public(web, engine, member):
    event_id = an_announced_draw(engine)
    page = f"/admin/events/{event_id}/codes"
    with httpx.Client(base_url=web.address, cookies={"onsale_staff": member.token}, timeout=20) as console:
        made = press(console, page, page, kind="priority", value="4", count="2", uses_max="5")
        wrong = press(console, page, page, kind="priority", value="4")
        draw = console.get(f"/admin/events/{event_id}/draw").text

    assert "2 codes are made" in made
    assert "counts 4 times in the draw" in made
    assert "Say how many may use a priority code" in wrong
    assert "4 times: at most 10 people" in draw


def test_weights_that_are_published_are_changes_of_the_queue_that_its_log_tells_of(shop, engine, event_id):
    a_code(engine, announced_too := an_announced_draw(engine), FIVE_TIMES, "FANS")
    a_code(engine, announced_too, FIVE_TIMES, "MORE")
    held(shop, engine, event_id)

    assert broken(engine, event_id, "I6") == broken(engine, announced_too, "I6") == []


def test_verify_holds_each_booking_to_its_buyers_best_number(shop, engine, event_id):
    fan = a_buyer(engine)
    first = join_with(shop, event_id, fan).number
    held(shop, engine, event_id)
    journaling.write_journal(shop, event_id)
    rule = permutation(draw_key(SEED, VALUE, 5), 5)
    best = best_of(rule, first, 5)

    def found():
        with reading(engine) as connection:
            return list(drawn.wrong(connection, event_id, journal_seconds=0))

    a_booking(engine, event_id, Wish(quantity=1), number=best.drawn, buyer_id=fan)
    right = found()
    a_booking(engine, event_id, Wish(quantity=1), number=rule.drawn(best.spent[0]), buyer_id=fan)

    run_sql(engine, "UPDATE draw_weights SET people_max = 9 WHERE event_id = :id", id=event_id)
    more = found()
    run_sql(engine, "UPDATE draw_weights SET people_max = 3 WHERE event_id = :id", id=event_id)
    run_sql(engine, "UPDATE draw_lots SET weight = 6 WHERE event_id = :id", id=event_id)

    assert right == []
    assert "9 people may count 5 times, and the sale log says 3" in more
    assert "1 people count 6 times, and 0 at most may" in found()
    run_sql(engine, "UPDATE draw_lots SET weight = 5 WHERE event_id = :id", id=event_id)
    assert [f"its buyer's best is {best.drawn}" in one for one in found()] == [True]


def test_a_page_joins_with_the_code_and_says_what_it_counts(web, shop, engine, event_id):
    browser, event = Browser(web), f"/events/{event_id}"

    told = browser.press(f"{event}/codes", browser.page(event), code="fans")
    page = browser.press(f"{event}/queue", browser.page(event))
    before = browser.page(f"{event}/draw")
    held(shop, engine, event_id)
    web.office.statuses.forget(event_id)
    after = browser.page(f"{event}/draw")

    assert "counts 5 times" in told
    assert "Your entry counts <strong>5 times</strong>" in page
    assert 'data-weight="5"' in page
    assert "5 times: at most 3 people" in before
    assert 'data-weight="5"' in after
    assert "the best of your 5 numbers" in after


def test_a_page_whose_code_does_not_count_joins_without_it_and_says_so(web, shop, engine, event_id):
    browser, event = Browser(web), f"/events/{event_id}"
    browser.press(f"{event}/codes", browser.page(event), code="fans")
    entries_closed(shop, engine, event_id)

    page = browser.press(f"{event}/queue", browser.page(event))

    assert "FANS: This code counts when you join a draw with it" in page


def test_staff_make_such_codes_over_the_api_before_the_pre_queue_opens(web, shop, engine, member):
    event_id = an_announced_draw(engine)
    path = f"/v1/admin/events/{event_id}/codes"

    made = member.post(path, {"kind": "priority", "weight": 3, "uses_max": 1, "count": 20})
    unfit = member.post(path, {"kind": "priority", "weight": 3})
    set_queue(engine, event_id, phase=Phase.PRE_QUEUE)
    late = member.post(path, {"kind": "priority", "weight": 3, "uses_max": 1})

    assert made.status_code == 201
    assert {code["weight"] for code in made.json()["codes"]} == {3}
    assert [(each.status_code, each.json()["field"]) for each in (unfit, late)] == [(409, "uses_max"), (409, "kind")]
    open_queue(shop, event_id)
    published = web.http.get(f"/v1/events/{event_id}/queue").json()["draw"]["weights"]
    assert published == [{"weight": 3, "people_max": 20}]
