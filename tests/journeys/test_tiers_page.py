"""Tiers in a browser: set in the console, shown on the show's page, and counted into the sum of the seats picked."""

from __future__ import annotations

from playwright.sync_api import Page, expect

CHILD = "Child (under 12, show proof at the door)"


def fill_prices(page: Page) -> None:
    """Two kinds of tickets for the stalls, and what they will cost later."""
    page.get_by_label("Kind, row 1").fill("Adult")
    page.get_by_label("Price, row 1").fill("45")
    page.get_by_label("Kind, row 2").fill(CHILD)
    page.get_by_label("Price, row 2").fill("20.50")
    page.get_by_label("At most, row 2").fill("2")
    page.get_by_role("button", name="Set the price").click()
    expect(page.get_by_text("The price is in force.")).to_be_visible()
    page.get_by_label("Price EUR, before fees and tax").fill("60")
    page.get_by_label("From UTC").fill("2050-12-01T10:00")
    page.get_by_role("button", name="Let it change by itself").click()
    expect(page.get_by_text("The price will change by itself.")).to_be_visible()


def test_an_organiser_sets_tiers_and_a_buyer_picks_seats_by_them(browse, admin_password, on_sale):
    event_id = on_sale(enabled=False)
    staff = browse(viewport={"width": 1280, "height": 900})
    staff.goto(f"/admin/events/{event_id}/prices?section=1")
    staff.get_by_label("E-mail").fill("admin@onsale.example")
    staff.get_by_label("Password").fill(admin_password)
    staff.get_by_role("button", name="Sign in").click()
    staff.goto(f"/admin/events/{event_id}/prices?section=1")
    fill_prices(staff)

    page = browse()
    page.goto(f"/events/{event_id}")
    expect(page.get_by_role("row", name="Stalls")).to_contain_text("until Thu 1 Dec 2050, 10:00 UTC, then €60.00")
    page.get_by_role("link", name="Choose tickets").click()
    page.get_by_role("link", name="Stalls, from €20.50").click()
    page.get_by_role("checkbox", name="Row A, seat 5").click()
    page.get_by_label(CHILD).last.select_option("2")
    expect(page.locator("#picked-words")).to_contain_text("2 tickets at other prices, and 1 picked")
    expect(page.get_by_role("button", name="Take these seats")).to_be_disabled()
    page.get_by_role("checkbox", name="Row A, seat 6").click()
    page.get_by_role("checkbox", name="Row A, seat 4").click()
    expect(page.locator("#picked-words")).to_contain_text("€86.00 together")

    page.get_by_role("button", name="Take these seats").click()

    expect(page.get_by_role("heading", name="These tickets are held for you")).to_be_visible()
    expect(page.get_by_role("row", name="seat 4, Adult")).to_contain_text("€45.00")
    expect(page.get_by_role("row", name=f"seat 6, {CHILD}")).to_contain_text("€20.50")
    expect(page.get_by_role("row", name="Together")).to_contain_text("€86.00")
