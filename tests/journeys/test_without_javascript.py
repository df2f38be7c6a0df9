"""The same sale for a browser that runs no script: every step is a link or a form, and the page renews itself."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.builders import until

IN_TIME = 30_000


def test_join_wait_go_in_choose_a_seat_pay_and_see_the_ticket(browse, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=120)
    stand_in_line(event_id, 8)
    page = browse(java_script_enabled=False)

    page.goto(f"/events/{event_id}")
    page.get_by_role("button", name="Join the queue").click()
    expect(page.get_by_text("ahead of you")).to_be_visible()
    refresh = page.locator('noscript meta[http-equiv="refresh"]').or_(page.locator('meta[http-equiv="refresh"]'))
    expect(refresh).to_have_count(1)
    # The page renews itself until it is this number's turn.
    page.get_by_role("button", name="Go in and choose tickets").click(timeout=IN_TIME)
    page.get_by_role("link", name="Stalls", exact=True).click()
    page.locator("fieldset", has_text="Row B").get_by_label("3", exact=True).check()
    page.get_by_role("button", name="Take these seats").click()
    expect(page.get_by_role("heading", name="These tickets are held for you")).to_be_visible(timeout=IN_TIME)
    page.get_by_role("radio", name=re.compile("ending 4242")).check()
    page.get_by_role("button", name=re.compile("^Pay ")).click()

    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)
    expect(page.locator(".ticket")).to_have_count(1)


def test_the_queue_page_says_that_waiting_counts_as_being_there(browse, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=1)
    stand_in_line(event_id, 5)
    page = browse(java_script_enabled=False)

    page.goto(f"/events/{event_id}")
    page.get_by_role("button", name="Join the queue").click()
    ahead = int(page.locator('[data-fact="ahead"]').inner_text())
    page.get_by_role("button", name="I am here, show me the numbers now").click()

    again = until(lambda: page.locator('[data-fact="ahead"]').inner_text(), "the page is back")
    assert int(again) <= ahead
    expect(page.get_by_text("renews itself every")).to_be_visible()


def test_the_dial_works_as_a_plain_form(browse, on_sale, admin_password):
    event_id = on_sale(rate_per_minute=60)
    page = browse(java_script_enabled=False)

    page.goto(f"/admin/events/{event_id}")
    page.get_by_label("E-mail").fill("admin@onsale.example")
    page.get_by_label("Password").fill(admin_password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Exactly").fill("90")
    page.get_by_role("button", name="Set the rate").click()

    expect(page.get_by_text("Rate 60 → 90 per minute.")).to_be_visible()
    page.get_by_role("button", name="Undo: back to 60").click()
    expect(page.get_by_text("Rate 90 → 60 per minute.")).to_be_visible()
