"""A place on several tabs and devices in a real browser, and a device that computes before it joins."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from onsale.db import queue_guards, queue_settings
from onsale.db.queue_guards import GuardChange
from onsale.db.queue_settings import Phase, QueueChange

IN_TIME = 30_000
WAITING = {"phase": Phase.PAUSED, "reason": "Sound check"}
LAPTOP = {"width": 1280, "height": 800}


def join(page, event_id) -> None:
    page.goto(f"/events/{event_id}")
    page.get_by_role("button", name="Join the queue").click()
    expect(page.locator('[data-fact="number"]')).to_be_visible(timeout=IN_TIME)


def number(page) -> str:
    return page.locator('[data-fact="number"]').inner_text()


def code_of(page) -> str:
    page.get_by_role("button", name="Take my place to another device").click()
    return page.locator('[data-fact="code"]').inner_text()


def test_several_tabs_are_one_place(browse, on_sale, stand_in_line):
    event_id = on_sale(**WAITING)
    stand_in_line(event_id, 2)
    first = browse()
    join(first, event_id)
    second = first.context.new_page()

    second.goto(f"/events/{event_id}")
    second.get_by_role("link", name="Go to my place").click()

    assert [number(first), number(second)] == ["3", "3"]


def test_a_place_moves_to_a_phone_by_the_code_in_the_link(browse, on_sale, stand_in_line):
    event_id = on_sale(**WAITING)
    stand_in_line(event_id, 2)
    laptop, phone = browse(viewport=LAPTOP), browse()
    join(laptop, event_id)

    code = code_of(laptop)
    expect(laptop.locator(".qr svg")).to_be_visible()
    sent: list[str] = []
    phone.on("request", lambda request: sent.append(request.url + request.headers.get("referer", "")))
    phone.goto(f"/move#{code}")
    expect(phone.get_by_label("The code on the other device")).to_have_value(code)
    address = phone.url
    phone.get_by_role("button", name="Take the place to this device").click()

    expect(phone.get_by_text("Your place is on this device now.")).to_be_visible(timeout=IN_TIME)
    assert number(phone) == "3"
    # The page of the code notices, and the place's own page says so.
    expect(laptop.get_by_text(re.compile("Your place moved to another device at"))).to_be_visible(timeout=IN_TIME)
    assert number(laptop) == "3"
    assert address.endswith("/move")
    assert not [each for each in sent if code.split("-")[0] in each]
    laptop.get_by_role("button", name="Take it back to this device").click()
    expect(laptop.get_by_text("Your place is on this device again.")).to_be_visible()


def test_the_turn_is_taken_on_the_device_the_place_moved_to(browse, on_sale):
    event_id = on_sale()
    laptop, phone = browse(viewport=LAPTOP), browse()
    laptop.goto(f"/events/{event_id}")
    laptop.get_by_role("button", name="Join the queue").click()
    laptop.wait_for_url(re.compile("/choose"), timeout=IN_TIME)
    laptop.goto(f"/events/{event_id}/queue")
    expect(laptop.get_by_role("heading", name="You are in")).to_be_visible()
    laptop.get_by_role("button", name="Take my place to another device").click()
    code = laptop.locator('[data-fact="code"]').inner_text()

    phone.goto("/move")
    phone.get_by_label("The code on the other device").fill(code.lower())
    phone.get_by_role("button", name="Take the place to this device").click()
    phone.get_by_role("button", name="Choose tickets").click()
    phone.get_by_label("Tickets", exact=True).select_option("1")
    phone.get_by_role("button", name="Take the best available").click()

    expect(phone.get_by_role("heading", name="These tickets are held for you")).to_be_visible(timeout=IN_TIME)


def test_the_device_that_has_not_the_turn_says_so_and_does_not_try_to_go_in(browse, on_sale, record):
    event_id = on_sale(**WAITING)
    laptop, phone = browse(viewport=LAPTOP), browse()
    join(laptop, event_id)
    code = code_of(laptop)
    phone.goto(f"/move#{code}")
    phone.get_by_role("button", name="Take the place to this device").click()
    expect(laptop.get_by_text(re.compile("Your place moved to another device at"))).to_be_visible(timeout=IN_TIME)
    with record.begin() as connection:
        queue_settings.change(connection, event_id, QueueChange(phase=Phase.OPEN), actor="test")

    expect(laptop.get_by_role("heading", name="It is your turn, on the other device")).to_be_visible(timeout=IN_TIME)
    phone.wait_for_url(re.compile("/choose"), timeout=IN_TIME)


def test_a_device_computes_before_it_joins(browse, on_sale, record):
    event_id = on_sale(**WAITING)
    with record.begin() as connection:
        queue_guards.change(connection, event_id, GuardChange(work_bits=16), actor="test")
    page = browse()
    page.goto(f"/events/{event_id}")
    expect(page.locator("form[data-work-url]")).to_be_attached()

    page.get_by_role("button", name="Join the queue").click()

    expect(page.locator('[data-fact="number"]')).to_be_visible(timeout=IN_TIME)
