"""A buyer's way through a sale in a real browser: wait, go in, choose, pay, see the tickets."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase
from tests.builders import until

IN_TIME = 30_000
# Writes down every number of people ahead that the page shows.
NOTE_AHEAD = """() => {
    window.shown = [];
    const note = () => {
        const fact = document.querySelector('[data-fact="ahead"]');
        if (fact) window.shown.push(Number(fact.textContent));
    };
    note();
    const options = { childList: true, subtree: true, characterData: true };
    new MutationObserver(note).observe(document.querySelector('#place'), options);
}"""


def join(page: Page, event_id: EventId) -> None:
    page.goto(f"/events/{event_id}")
    page.get_by_role("button", name="Join the queue").click()


def go_in(page: Page) -> None:
    """Wait for the turn; whoever just touched the page is taken in without a press."""
    page.wait_for_url(re.compile("/choose"), timeout=IN_TIME)


def take_best(page: Page, tickets: int = 2) -> None:
    page.get_by_label("Tickets", exact=True).select_option(str(tickets))
    page.get_by_role("button", name="Take the best available").click()
    expect(page.get_by_role("heading", name="These tickets are held for you")).to_be_visible(timeout=IN_TIME)


def pay(page: Page, card: str) -> None:
    page.get_by_role("radio", name=re.compile(card)).check()
    page.get_by_role("button", name=re.compile("^Pay ")).click()


def test_join_wait_go_in_choose_pay_and_see_the_tickets(browse, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=120)
    stand_in_line(event_id, 12)
    page = browse()

    join(page, event_id)
    expect(page.get_by_text("ahead of you")).to_be_visible()
    number = int(page.locator('[data-fact="number"]').inner_text())
    go_in(page)
    take_best(page, 2)
    pay(page, "ending 4242")

    assert number == 13
    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)
    expect(page.locator(".ticket")).to_have_count(2)
    page.goto("/bookings")
    expect(page.get_by_text("Confirmed")).to_be_visible()


def test_seats_picked_in_the_picture_are_the_seats_booked(browse, on_sale):
    event_id = on_sale()
    page = browse(viewport={"width": 1280, "height": 800})

    join(page, event_id)
    go_in(page)
    page.get_by_role("link", name=re.compile("^Stalls,")).click()
    page.get_by_role("checkbox", name="Row B, seat 4").click()
    page.get_by_role("checkbox", name="Row B, seat 5").click()
    expect(page.get_by_text("B4, B5: €90.00 together")).to_be_visible()
    page.get_by_role("button", name="Take these seats").click()

    expect(page.get_by_text("Stalls, row B, seat 4")).to_be_visible(timeout=IN_TIME)
    expect(page.get_by_text("Stalls, row B, seat 5")).to_be_visible()


def test_a_seat_that_somebody_else_took_is_shown_within_a_second(browse, on_sale, stack):
    event_id = on_sale()
    one, other = browse(), browse()
    for page in (one, other):
        join(page, event_id)
        go_in(page)
    seats = stack.settings["ONSALE_SEATS_URL"]
    with one.expect_request(lambda asked: asked.url.startswith(seats) and "wait=" in asked.url):
        one.goto(f"/events/{event_id}/choose?section=1")
    expect(one.locator("#seat-list input:disabled")).to_have_count(0)

    take_best(other, 2)

    expect(one.locator("#seat-list input:disabled")).to_have_count(2, timeout=1_000)


def test_without_a_place_to_wait_the_seats_are_asked_for_again_and_again(browse, on_sale, stack):
    event_id = on_sale()
    one, other = browse(), browse()
    for page in (one, other):
        join(page, event_id)
        go_in(page)
    # As behind a proxy that nobody told of it.
    page_of_a_proxy = {"body": "It works!", "headers": {"Access-Control-Allow-Origin": "*"}}
    one.route(f"{stack.settings['ONSALE_SEATS_URL']}/**", lambda route: route.fulfill(**page_of_a_proxy))
    one.goto(f"/events/{event_id}/choose?section=1")

    take_best(other, 2)

    expect(one.locator("#seat-list input:disabled")).to_have_count(2, timeout=10_000)


def test_the_picture_is_walked_with_the_keyboard(browse, on_sale):
    event_id = on_sale()
    page = browse()

    join(page, event_id)
    go_in(page)
    page.goto(f"/events/{event_id}/choose?section=1")
    page.get_by_role("checkbox", name="Row A, seat 1", exact=True).focus()
    for key in ("ArrowDown", "ArrowRight", "Space"):
        page.keyboard.press(key)

    expect(page.get_by_text("B2: €45.00 together")).to_be_visible()
    page.get_by_role("button", name="List").click()
    expect(page.locator("#seat-list fieldset").nth(1).get_by_label("2", exact=True)).to_be_checked()


def test_a_declined_card_keeps_the_tickets_and_a_second_card_gets_them(browse, on_sale):
    event_id = on_sale()
    page = browse()

    join(page, event_id)
    go_in(page)
    take_best(page, 1)
    pay(page, "ending 9995")
    expect(page.get_by_text("The card was declined.")).to_be_visible(timeout=IN_TIME)
    expect(page.get_by_role("heading", name="These tickets are held for you")).to_be_visible()
    pay(page, "ending 4444")

    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)


def test_the_banks_question_is_answered_at_the_bank_and_ends_in_tickets(browse, on_sale):
    event_id = on_sale()
    page = browse()

    join(page, event_id)
    go_in(page)
    take_best(page, 1)
    pay(page, "ending 3220")
    page.get_by_role("link", name="Confirm with your bank").click(timeout=IN_TIME)
    page.get_by_role("button", name=re.compile("complete|approve|authenticate|yes|confirm", re.I)).first.click()

    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)
    assert "secret" not in page.url


def test_a_place_is_kept_through_a_reload_a_second_tab_and_a_closed_one(browse, on_sale, stand_in_line):
    event_id = on_sale(phase=Phase.PAUSED, reason="Sound check")
    stand_in_line(event_id, 3)
    page = browse()

    join(page, event_id)
    expect(page.locator("#standing").get_by_text("Sound check")).to_be_visible()
    number = page.locator('[data-fact="number"]').inner_text()
    page.reload()
    reloaded = page.locator('[data-fact="number"]').inner_text()
    second = page.context.new_page()
    page.close()
    second.goto(f"/events/{event_id}")
    second.get_by_role("link", name="Go to my place").click()

    assert [number, reloaded, second.locator('[data-fact="number"]').inner_text()] == ["4", "4", "4"]


def test_people_ahead_counts_down_and_never_up(browse, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=120)
    stand_in_line(event_id, 14)
    page = browse()
    join(page, event_id)
    expect(page.get_by_text("ahead of you")).to_be_visible()
    page.evaluate(NOTE_AHEAD)

    until(lambda: len(page.evaluate("window.shown")) > 3, "the numbers move")

    shown = page.evaluate("window.shown")
    assert shown[-1] < shown[0]
    assert shown == sorted(shown, reverse=True)


def test_whoever_asked_for_hands_free_booking_finds_the_tickets_on_coming_back(browse, on_sale, stand_in_line):
    event_id = on_sale(rate_per_minute=60)
    stand_in_line(event_id, 5)
    page = browse()

    page.goto(f"/events/{event_id}")
    page.locator("summary", has_text="Book for me while I wait").click()
    form = page.locator("details form")
    form.get_by_label("Section").select_option(label="Gallery · €25.00")
    form.get_by_role("button", name="Book for me while I wait").click()
    expect(page.get_by_role("heading", name="We book for you when your number comes")).to_be_visible()
    address = page.url
    page.close()
    later = page.context.new_page()
    later.goto(address)

    expect(later.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)
    expect(later.locator(".ticket")).to_have_count(2)


def test_a_guest_who_makes_an_account_keeps_the_tickets(browse, on_sale):
    event_id = on_sale()
    page = browse()
    join(page, event_id)
    go_in(page)
    take_best(page, 1)
    pay(page, "ending 4242")
    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)

    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("E-mail").fill(f"ada-{event_id}@example.org")
    page.get_by_label("Password").fill("a long enough one")
    page.get_by_role("button", name="Make the account").click()
    other = browse()
    other.goto("/sign-in")
    other.get_by_label("E-mail").fill(f"ada-{event_id}@example.org")
    other.get_by_label("Password").fill("a long enough one")
    other.get_by_role("button", name="Sign in").click()

    expect(other.get_by_role("link", name="The Paper Lanterns")).to_be_visible()


def test_cancelled_tickets_are_let_go(browse, on_sale):
    event_id = on_sale()
    page = browse()
    page.on("dialog", lambda dialog: dialog.accept())
    join(page, event_id)
    go_in(page)
    take_best(page, 1)

    page.get_by_role("button", name="Cancel this booking").click()

    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible(timeout=IN_TIME)
    expect(page.get_by_text("You were not charged.")).to_be_visible()


def test_a_show_without_a_queue_goes_straight_to_the_seats(browse, on_sale):
    event_id = on_sale(enabled=False)
    page = browse()

    page.goto(f"/events/{event_id}")
    page.get_by_role("link", name="Choose tickets").click()
    take_best(page, 1)
    pay(page, "ending 4242")

    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)
