"""Finding a show in a browser: suggestions as one types, filters that stay in the address, the map, ways out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

DESKTOP = {"width": 1280, "height": 900}
LONDON = {"latitude": 51.5074, "longitude": -0.1278}


def test_what_is_typed_is_suggested_and_chosen_by_keyboard(browse):
    page = browse()
    page.goto("/")
    box = page.get_by_role("combobox", name="Artist, show, venue or city")

    box.press_sequentially("harb")
    option = page.get_by_role("option", name=re.compile("Harbour Lights"))
    expect(option).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "true")
    while option.get_attribute("aria-selected") != "true":
        box.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", option.get_attribute("id"))
    box.press("Enter")

    page.wait_for_url("**/events/*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Harbour Lights")


def test_a_suggested_place_is_searched_for_as_a_place(browse):
    page = browse()
    page.goto("/search")

    page.get_by_role("combobox").first.press_sequentially("reykj")
    page.get_by_role("option", name=re.compile("Reykjavík")).click()

    page.wait_for_url("**/search?location=*")
    expect(page.locator("#found")).to_have_text("1 show")


def test_escape_closes_the_suggestions_and_enter_searches_as_typed(browse):
    page = browse()
    page.goto("/search")
    box = page.get_by_role("combobox").first
    box.press_sequentially("lant")
    expect(page.get_by_role("option").first).to_be_visible()

    box.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    box.press("Enter")

    page.wait_for_url("**/search?q=lant")
    expect(page.locator("mark").first).to_have_text("Lant")


def test_filters_apply_as_they_are_ticked_and_stay_in_the_address(browse):
    page = browse(viewport=DESKTOP)
    page.goto("/search")
    jazz = page.get_by_role("checkbox", name=re.compile("^Jazz"))
    count = int(page.locator("label", has=jazz).locator(".count").inner_text())

    jazz.check()
    page.wait_for_url("**/search?genre=Jazz")
    expect(page.get_by_role("status").first).to_have_text(f"{count} shows")
    page.get_by_role("combobox", name="Sort by").select_option("date")
    page.wait_for_url("**/search?genre=Jazz&sort=date")
    page.go_back()
    expect(jazz).to_be_checked()
    page.get_by_role("link", name=re.compile("^Jazz")).click()

    page.wait_for_url(re.compile("/search$"))
    expect(jazz).not_to_be_checked()


def tick_and_go_on(page, *, scripts=True):
    """Jazz, and then Folk too, from a page of the address `?genre=Jazz`."""
    page.goto("/search?genre=Jazz")
    page.get_by_role("checkbox", name=re.compile("^Folk")).check()
    if not scripts:
        page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile("Jazz.*Folk|Folk.*Jazz"))


def is_as_the_address_says(page):
    expect(page).to_have_url(re.compile(r"/search\?genre=Jazz$"))
    expect(page.get_by_role("checkbox", name=re.compile("^Jazz"))).to_be_checked()
    expect(page.get_by_role("checkbox", name=re.compile("^Folk"))).not_to_be_checked()
    expect(page.locator("#near")).to_have_value("")
    expect(page.get_by_role("combobox", name="Sort by")).to_have_value("")


@pytest.mark.parametrize("scripts", [True, False])
def test_on_the_way_back_what_is_ticked_is_what_the_address_says(browse, scripts):
    page = browse(viewport=DESKTOP, java_script_enabled=scripts)
    tick_and_go_on(page, scripts=scripts)

    page.go_back()

    is_as_the_address_says(page)


def test_a_page_shown_again_as_it_was_left_is_what_its_address_says(browse_and_keep):
    page = browse_and_keep(viewport=DESKTOP, geolocation=LONDON, permissions=["geolocation"])
    page.add_init_script("addEventListener('pageshow', (event) => { window.kept = event.persisted; });")
    tick_and_go_on(page)
    page.go_back(wait_until="commit")
    page.wait_for_function("window.kept === true")
    is_as_the_address_says(page)
    page.get_by_role("button", name="Shows near me").click()
    page.wait_for_url("**/search?near=*&genre=Jazz&sort=distance")

    page.go_back(wait_until="commit")

    page.wait_for_function("window.kept === true")
    is_as_the_address_says(page)
    expect(page.get_by_role("button", name="Shows near me")).to_be_enabled()


def test_on_a_phone_filters_are_set_together_and_applied(browse):
    page = browse()
    page.goto("/search")
    page.get_by_text("Filters", exact=True).click()

    page.get_by_role("checkbox", name=re.compile("^Jazz")).check()
    page.get_by_role("checkbox", name="Tickets left").check()
    page.get_by_role("button", name="Apply").click()

    page.wait_for_url("**/search?available=1&genre=Jazz")
    expect(page.get_by_role("list", name="Filters that are set").get_by_role("listitem")).to_have_count(3)


def test_shows_near_somebody_come_nearest_first_and_the_address_says_only_about_where(browse):
    page = browse(geolocation=LONDON, permissions=["geolocation"], viewport=DESKTOP)
    page.goto("/search")

    page.get_by_role("button", name="Shows near me").click()

    page.wait_for_url("**/search?near=51.51%2C-0.13&sort=distance")
    expect(page.locator("#search .list > li").first).to_contain_text("London")


def test_the_map_shows_where_and_leads_to_a_venue(browse):
    page = browse(viewport=DESKTOP)
    page.goto("/search?location=tokyo")

    page.get_by_role("link", name="Map").click()
    page.get_by_role("link", name=re.compile("Suntory Hall, Tokyo: 1 show")).click()

    page.wait_for_url("**/search?location=Suntory+Hall")
    expect(page.locator("#found")).to_have_text("1 show")


def test_a_search_that_finds_nothing_says_which_filter_to_drop(browse):
    page = browse()
    page.goto("/search?q=lanterns&city=Nowhere")

    page.get_by_role("link", name=re.compile("Without “Nowhere”")).click()

    expect(page.locator("#search .list > li").first).to_contain_text("Lanterns")


def test_without_javascript_the_filters_are_a_form(browse):
    page = browse(java_script_enabled=False, viewport=DESKTOP)
    page.goto("/search")

    page.get_by_role("checkbox", name=re.compile("^Jazz")).check()
    page.get_by_role("button", name="Apply").click()

    expect(page.get_by_role("checkbox", name=re.compile("^Jazz"))).to_be_checked()
