"""What holds for every page: it fits a phone, speaks to a screen reader, complains of nothing, refuses forged forms."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

SMALL = {"width": 360, "height": 740}
WRONG = "/search?from=2026-12-24&to=2026-12-23&genre=Jazz&price=0-2500&city=Nowhere"
SEARCHES = ("/search", "/search?q=zzzz", "/search?view=map", WRONG)
PLAIN = ("/", *SEARCHES, "/bookings", "/sign-in", "/sign-up", "/demo", "/admin/sign-in")
FORMS = ("/sign-in", "/sign-up", "/sign-out", "/admin/sign-in", "/admin/sign-out")
EVENT_FORMS = ("queue", "queue/heartbeat", "queue/enter", "queue/return", "queue/leave", "bookings", "hands-free")

# Asked of the page itself.
FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_plain_pages_fit_a_phone_and_name_their_parts(browse, scheme):
    page = browse(viewport=SMALL, color_scheme=scheme)

    faults = {}
    for path in PLAIN:
        assert page.goto(path).ok
        faults[path] = page.evaluate(FAULTS)

    assert {path: found for path, found in faults.items() if found} == {}


def test_the_pages_of_a_sale_fit_a_phone_and_name_their_parts(browse, on_sale):
    event_id = on_sale("A Show With a Very Long Name That Goes On, and a Subtitle: Unabbreviated")
    page = browse(viewport=SMALL)

    page.goto(f"/events/{event_id}")
    event_faults = page.evaluate(FAULTS)
    page.get_by_role("button", name="Join the queue").click()
    page.wait_for_url("**/choose", timeout=30_000)
    choose_faults = page.evaluate(FAULTS)
    page.goto(f"/events/{event_id}/choose?section=1")
    seat_faults = page.evaluate(FAULTS)
    page.get_by_role("button", name="List").click()
    list_faults = page.evaluate(FAULTS)

    assert (event_faults, choose_faults, seat_faults, list_faults) == ([], [], [], [])


def test_a_show_and_its_console_fit_the_narrowest_phone(browse, on_sale, admin_password):
    event_id = on_sale()
    page = browse(viewport={"width": 320, "height": 740})
    console = f"/admin/events/{event_id}"
    page.goto(console)
    page.get_by_label("E-mail").fill("admin@onsale.example")
    page.get_by_label("Password").fill(admin_password)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{console}/prices?section=1")
    page.get_by_label("Price EUR, before fees and tax").fill("1234.50")
    page.get_by_label("From UTC").fill("2050-12-01T10:00")
    page.get_by_role("button", name="Let it change by itself").click()

    widths = {}
    for path in (f"/events/{event_id}", console, f"{console}/prices"):
        assert page.goto(path).ok
        widths[path] = page.evaluate("document.documentElement.scrollWidth")

    assert set(widths.values()) == {320}, widths


def test_the_keyboard_reaches_the_content_first(browse):
    page = browse()
    page.goto("/")

    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


@pytest.fixture
def http(stack):
    with httpx.Client(base_url=stack.address, timeout=30) as client:
        yield client


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_its_token_is_refused(http, path):
    assert http.post(path, data={"email": "a@example.org", "password": "x"}).status_code in (400, 403)


def test_a_forged_form_of_a_sale_is_refused(http, on_sale):
    event_id = on_sale()

    answers = {form: http.post(f"/events/{event_id}/{form}", data={}).status_code for form in EVENT_FORMS}
    answers["console"] = http.post(f"/admin/events/{event_id}", data={"rate_per_minute": "9"}).status_code

    assert set(answers.values()) <= {400, 403}, answers


def test_a_page_that_is_not_there_says_what_to_do(http):
    answer = http.get("/nothing/here")

    assert answer.status_code == 404
    assert "All shows" in answer.text
    assert http.get("/events/999999999").status_code == 404
    assert http.get("/bookings/00000000-0000-8000-8000-000000000000").status_code == 404


def test_no_page_lets_anything_from_elsewhere_in(http):
    answer = http.get("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


def test_signing_in_leads_to_no_other_site(http):
    page = http.get("/sign-in", params={"next": "https://elsewhere.example/"})
    relative = http.get("/sign-in", params={"next": "//elsewhere.example/"})

    assert "elsewhere.example" not in page.text
    assert "elsewhere.example" not in relative.text
