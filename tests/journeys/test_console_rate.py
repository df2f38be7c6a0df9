"""The organiser lets the rate follow checkout and gives it a ramp, in a browser; who waits reads why."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from onsale.db.ids import EventId
from tests.builders import until

OBEYED_SECONDS = 6


@pytest.fixture
def console(browse, admin_password):
    """Opens the console of an event, signed in as its organiser's admin."""

    def open_console(event_id: EventId, **options: object) -> Page:
        page = browse(**({"viewport": {"width": 1280, "height": 900}} | options))
        page.goto(f"/admin/events/{event_id}")
        page.get_by_label("E-mail").fill("admin@onsale.example")
        page.get_by_label("Password").fill(admin_password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Follow checkout")).to_be_visible()
        return page

    return open_console


@pytest.fixture
def status(stack):
    return lambda event_id: httpx.get(f"{stack.address}/v1/events/{event_id}/queue").raise_for_status().json()


def test_a_ramp_is_drawn_and_obeyed_and_taken_away(console, on_sale, status):
    event_id = on_sale(rate_per_minute=600)
    page = console(event_id)

    page.get_by_label("Step 1: from minute").fill("0")
    page.get_by_label("Step 1: people per minute").fill("300")
    page.get_by_label("Step 2: from minute").fill("5")
    page.get_by_label("Step 2: people per minute").fill("900")
    page.get_by_role("button", name="Count from now").click()
    expect(page.get_by_role("img", name="Planned step by step: 300 from minute 0, 900 from minute 5")).to_be_visible()
    until(lambda: status(event_id)["rate_per_minute"] == 300, "the first step is in force", seconds=OBEYED_SECONDS)
    why = status(event_id)["why"]
    expect(page.get_by_text("of 600 set")).to_be_visible()
    expect(page.get_by_text("it stays the most")).to_be_visible()
    page.get_by_role("button", name="Take the ramp away").click()

    expect(page.get_by_text("The ramp is taken away.")).to_be_visible()
    assert why == "The organiser lets people in step by step: letting in 300 instead of 600 a minute."
    until(lambda: status(event_id)["rate_per_minute"] == 600, "the rate set is in force", seconds=OBEYED_SECONDS)


def test_a_ramp_that_does_not_fit_says_why(console, on_sale):
    page = console(on_sale(rate_per_minute=600))

    page.get_by_label("Step 1: people per minute").fill("300")
    page.get_by_role("button", name="Count from now").click()

    expect(page.get_by_text("From which minute on?")).to_be_visible()


def test_auto_is_switched_on_and_off(console, on_sale):
    page = console(on_sale(rate_per_minute=600))

    page.get_by_role("button", name="Let the rate follow checkout").click()
    expect(page.get_by_text("The rate follows checkout from now on.")).to_be_visible()
    page.get_by_role("button", name="Switch it off").click()

    expect(page.get_by_text("The rate stays as it is set.")).to_be_visible()


def test_who_waits_reads_why_the_queue_is_slower(browse, console, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=600)
    page = console(event_id)
    page.get_by_label("Step 1: from minute").fill("0")
    page.get_by_label("Step 1: people per minute").fill("0")
    page.get_by_role("button", name="Count from now").click()
    stand_in_line(event_id, 5)

    waiting = browse(viewport={"width": 360, "height": 780})
    waiting.goto(f"/events/{event_id}")
    waiting.get_by_role("button", name="Join the queue").click()

    why = "The organiser lets people in step by step: nobody for the moment."
    expect(waiting.locator("[data-fact=wait-cause]")).to_have_text(why)
    if folder := os.environ.get("PICTURES"):
        waiting.screenshot(path=Path(folder) / "waiting.png")
        for name, width in (("wide", 1280), ("phone", 360)):
            page.set_viewport_size({"width": width, "height": 900})
            page.reload()
            page.screenshot(path=Path(folder) / f"console-{name}.png", full_page=True)
