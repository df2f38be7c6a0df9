"""The organiser turns the dial in a browser, and the queue obeys."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from onsale.db.ids import EventId
from tests.builders import until

OBEYED_SECONDS = 5


@pytest.fixture
def console(browse, admin_password):
    """Opens the console of an event, signed in as its organiser's admin."""

    def open_console(event_id: EventId) -> Page:
        page = browse(viewport={"width": 1280, "height": 900})
        page.goto(f"/admin/events/{event_id}")
        page.get_by_label("E-mail").fill("admin@onsale.example")
        page.get_by_label("Password").fill(admin_password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Admission rate")).to_be_visible()
        return page

    return open_console


@pytest.fixture
def status(stack):
    return lambda event_id: httpx.get(f"{stack.address}/v1/events/{event_id}/queue").raise_for_status().json()


def test_the_rate_is_turned_and_the_queue_obeys(console, on_sale, stand_in_line, status):
    event_id = on_sale(rate_per_minute=0)
    stand_in_line(event_id, 10)
    page = console(event_id)
    expect(page.locator("#live-part")).to_contain_text("10")
    assert status(event_id)["serving"] == 0

    page.get_by_label("Exactly").fill("600")
    page.get_by_role("button", name="Set the rate").click()

    expect(page.get_by_text("Rate 0 → 600 per minute.")).to_be_visible()
    until(lambda: status(event_id)["serving"] == 10, "everybody is let in", seconds=OBEYED_SECONDS)
    expect(page.get_by_text("In effect since")).to_be_visible()


def test_the_slider_and_the_number_say_the_same(console, on_sale):
    event_id = on_sale(rate_per_minute=100)
    page = console(event_id)

    page.get_by_label("Rate, people per minute, as a dial").fill("160")

    expect(page.get_by_label("Exactly")).to_have_value("160")
    expect(page.locator("#rate-now")).to_have_text("160")


def test_a_slider_turned_before_its_script_has_come_is_followed(console, on_sale):
    page = console(on_sale(rate_per_minute=100))
    on_its_way: list[Route] = []

    def keep(route: Route) -> None:
        on_its_way.append(route)

    page.route("**/js/console*.js*", keep)
    page.reload(wait_until="commit")

    page.get_by_label("Rate, people per minute, as a dial").fill("160")
    until(lambda: page.wait_for_timeout(10) or on_its_way, "the script is asked for")
    on_its_way[0].continue_()

    expect(page.get_by_label("Exactly")).to_have_value("160")


def test_a_pause_is_shown_to_everybody_with_its_reason(console, browse, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=30)
    stand_in_line(event_id, 12)
    buyer = browse()
    buyer.goto(f"/events/{event_id}")
    buyer.get_by_role("button", name="Join the queue").click()
    page = console(event_id)

    page.get_by_label("Reason").fill("The card terminal is being restarted")
    page.get_by_role("button", name="Pause admission").click()

    expect(page.get_by_text("Admission is paused.").first).to_be_visible()
    expect(buyer.locator("#standing").get_by_text("The card terminal is being restarted")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Resume admission").click()
    expect(buyer.locator("#standing").get_by_text("The card terminal is being restarted")).to_be_hidden(timeout=30_000)


def test_another_organisers_event_is_not_there(console, on_sale, record):
    event_id = on_sale()
    page = console(event_id)
    with record.begin() as connection:
        connection.exec_driver_sql("INSERT INTO organisers (name) VALUES ('Somebody else') ON CONFLICT DO NOTHING")
        theirs = connection.exec_driver_sql("SELECT id FROM organisers WHERE name = 'Somebody else'").scalar_one()
        connection.exec_driver_sql(f"UPDATE events SET organiser_id = {theirs} WHERE id = {event_id}")

    answer = page.request.get(f"/admin/events/{event_id}")

    assert answer.status == 404
