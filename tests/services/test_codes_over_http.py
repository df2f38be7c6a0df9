"""Codes over HTTP: what a buyer is told of one, bookings with them, presales, and how staff make and switch them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from click.testing import CliRunner

from onsale import cli
from onsale.db import catalogue, codes
from onsale.db.catalogue import NewSection
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.engine import transaction
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.staff import Role, Staff, put
from onsale.web import limits, tokens
from onsale.web.pages.codes import EVENTS_MAX
from onsale.workers.lanes import work_lane
from tests.builders import an_event, open_queue, run_sql, seat
from tests.services.selling_codes import FIVE_OFF, TEN_PER_CENT, UNLOCK, a_code
from tests.services.serving import Person

SECTIONS = (
    NewSection(1, "Stalls", 5000, rows=1, seats_per_row=6),
    NewSection(2, "Balcony", 3000, rows=1, seats_per_row=6),
)
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
QUEUED_BY_THE_QUEUE = """
    UPDATE bookings SET state = 'queued', version = version + 1, queued_at = clock_timestamp(),
           queued_xid = pg_current_xact_id()
"""
EARLY = NewCode(CodeKind.EARLY, presale_from=NOW - HOUR)


@pytest.fixture
def event_id(engine, shop):
    """Twelve seats for whoever comes."""
    event_id = an_event(engine, sections=SECTIONS, queue=QueueChange(enabled=False))
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def later(engine, shop):
    """The same, with a queue that opens in an hour."""
    queue = QueueChange(phase=Phase.SCHEDULED, opens_at=datetime.now(UTC) + HOUR)
    event_id = an_event(engine, sections=SECTIONS, queue=queue)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def decide(shop):
    return lambda event_id: work_lane(shop, event_id, last_look=True)


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def check(person: Person, event_id: int, code: str) -> httpx.Response:
    return person.post(f"/v1/events/{event_id}/codes", {"code": code})


def book(person: Person, event_id: int, *given: str, key: str | None = None, **wish) -> httpx.Response:
    body = {"wishes": [wish or {"quantity": 1}], "codes": list(given)}
    return person.post(f"/v1/events/{event_id}/bookings", body, key=key or str(uuid4()))


# What a code gives.


def test_a_code_says_what_it_gives_however_it_is_typed(web, engine, event_id):
    a_code(engine, event_id, replace(TEN_PER_CENT, section_ids=(2,)), "SPRING10")

    said = check(web.guest(), event_id, " spring-10 ")

    assert said.status_code == 200
    assert said.headers["Cache-Control"] == "no-store"
    told = said.json()
    assert (told["code"], told["kind"], told["percent_bp"], told["sections"]) == ("SPRING10", "percent", 1000, [2])


def test_no_code_and_another_events_code_are_one_answer(web, engine, event_id):
    a_code(engine, an_event(engine), FIVE_OFF, "ELSEWHERE")
    person = web.guest()

    answers = [check(person, event_id, code) for code in ("ELSEWHERE", "NOWHERE", "not a code!", "x" * 64)]

    assert {answer.status_code for answer in answers} == {404}
    told = [{name: value for name, value in answer.json().items() if name != "request_id"} for answer in answers]
    assert told == [told[0]] * 4
    assert slug(answers[0]) == "code-unknown"


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (replace(FIVE_OFF, valid_from=NOW + HOUR), "code-not-yet"),
        (replace(FIVE_OFF, valid_until=NOW - HOUR), "code-over"),
        (replace(EARLY, presale_from=NOW + HOUR), "code-not-yet"),
    ],
)
def test_a_code_at_the_wrong_time_is_refused_in_words_of_its_own(web, engine, event_id, new, problem):
    code, person = a_code(engine, event_id, new), web.guest()

    answers = [check(person, event_id, code.code), book(person, event_id, code.code)]

    assert [(answer.status_code, slug(answer)) for answer in answers] == [(409, problem)] * 2


def test_a_code_that_is_off_or_used_up_is_refused(web, engine, event_id, decide):
    off, single = a_code(engine, event_id, FIVE_OFF), a_code(engine, event_id, replace(FIVE_OFF, uses_max=1))
    with transaction(engine) as connection:
        codes.switch(connection, event_id, off.id, off=True, actor="test")
    assert book(web.guest(), event_id, single.code).status_code == 202
    decide(event_id)
    person = web.guest()

    assert slug(check(person, event_id, off.code)) == "code-over"
    assert slug(check(person, event_id, single.code)) == "code-used"
    assert slug(book(person, event_id, single.code)) == "code-used"


def test_trying_codes_is_limited_for_a_buyer(web, engine, event_id):
    code = a_code(engine, event_id, FIVE_OFF)
    person = web.guest()
    for _ in range(limits.CODES_OF_BUYER.per_minute):
        check(person, event_id, "WRONG")

    assert check(person, event_id, code.code).status_code == 429
    assert book(person, event_id, code.code).status_code == 429
    assert check(web.guest(), event_id, code.code).status_code == 200


def test_trying_codes_is_limited_for_an_address_however_many_guests_try(web, engine, event_id):
    code = a_code(engine, event_id, FIVE_OFF)
    # As in production: in the sandbox everybody comes from one address.
    web.app.extensions[limits.EXTENSION].sandbox = False
    for guest in web.guests(limits.CODES.per_minute // limits.CODES_OF_BUYER.per_minute):
        for _ in range(limits.CODES_OF_BUYER.per_minute):
            check(guest, event_id, "WRONG")

    assert check(web.guest(), event_id, code.code).status_code == 429


# Booking.


def test_a_booking_with_codes_tells_the_reduced_price_and_the_codes_on_its_bill(web, engine, event_id, decide):
    ten = a_code(engine, event_id, replace(TEN_PER_CENT, stackable=True), "TEN")
    five = a_code(engine, event_id, FIVE_OFF, "FIVE")
    person = web.guest()

    url = book(person, event_id, "five", "t-e-n", quantity=2).headers["Location"]
    decide(event_id)

    found = person.get(url).json()
    assert (found["state"], found["amount_minor"]) == ("held", 8500)
    assert found["codes"] == [
        {"code": ten.code, "kind": "percent", "discount_minor": 1000},
        {"code": five.code, "kind": "amount", "discount_minor": 500},
    ]
    assert [ticket["total_minor"] for ticket in found["tickets"]] == [4250, 4250]


def test_the_address_the_api_began_with_takes_codes_too(web, engine, event_id, decide):
    code, person = a_code(engine, event_id, FIVE_OFF), web.guest()

    answer = person.post(f"/v1/book-{seat(event_id, 1)}", {"codes": [code.code]}, key="k")
    decide(event_id)

    assert person.get(answer.headers["Location"]).json()["amount_minor"] == 4500


def test_the_same_key_with_another_code_is_another_request(web, engine, event_id):
    a_code(engine, event_id, FIVE_OFF, "FIVE")
    person = web.guest()

    first, again = book(person, event_id, "FIVE", key="k"), book(person, event_id, "five", key="k")
    other = book(person, event_id, key="k")

    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")


def test_codes_that_do_not_go_together_are_refused(web, engine, event_id):
    given = [a_code(engine, event_id, new).code for new in (FIVE_OFF, TEN_PER_CENT)]

    answer = book(web.guest(), event_id, *given)

    assert (answer.status_code, slug(answer)) == (409, "codes-do-not-stack")


def test_a_hands_free_booking_keeps_its_code_until_its_turn(web, engine, shop, decide):
    event_id = an_event(engine, sections=SECTIONS, queue=QueueChange(phase=Phase.PAUSED))
    open_queue(shop, event_id)
    code, person = a_code(engine, event_id, FIVE_OFF), web.guest()

    waiting = book(person, event_id, code.code)
    run_sql(engine, QUEUED_BY_THE_QUEUE)
    decide(event_id)

    assert waiting.json()["state"] == "waiting"
    assert person.get(waiting.headers["Location"]).json()["amount_minor"] == 4500


# Before the opening.


def test_an_early_code_books_before_the_opening_and_nobody_else_does(web, engine, later, decide):
    code, person, other = a_code(engine, later, replace(EARLY, uses_max=1)), web.guest(), web.guest()

    early, late = book(person, later, code.code), book(other, later)
    decide(later)

    assert (late.status_code, slug(late)) == (425, "not-open-yet")
    found = person.get(early.headers["Location"]).json()
    assert (found["state"], found["amount_minor"], found["codes"][0]["kind"]) == ("held", 5000, "early")
    assert slug(check(other, later, code.code)) == "code-used"


def test_an_early_code_means_nothing_after_the_opening_and_is_not_used_up(web, engine, event_id, decide):
    code, person = a_code(engine, event_id, replace(EARLY, uses_max=1)), web.guest()

    url = book(person, event_id, code.code).headers["Location"]
    decide(event_id)

    assert (person.get(url).json()["state"], person.get(url).json()["codes"]) == ("held", [])
    assert check(web.guest(), event_id, code.code).status_code == 200


# Pages.


@pytest.fixture
def browser(web):
    with httpx.Client(base_url=web.address, timeout=20) as client:
        yield client


def press(browser: httpx.Client, page: str, action: str, /, **form: object) -> str:
    """Send a form of this page; the page it leads to."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).text)
    assert token, "the page has no form"
    sent = browser.post(action, data={"csrf_token": token[1], "idempotency_key": str(uuid4()), **form})
    assert sent.status_code == 303, sent.text
    return plain(browser.get(sent.headers["Location"]).text)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_code_typed_on_the_page_is_told_taken_along_and_named_on_the_bill(browser, engine, event_id, decide):
    a_code(engine, event_id, FIVE_OFF, "FIVE")
    choose = f"/events/{event_id}/choose"

    wrong = press(browser, choose, f"/events/{event_id}/codes", code="fife", page="choose")
    told = press(browser, choose, f"/events/{event_id}/codes", code="five", page="choose")
    press(browser, choose, f"/events/{event_id}/bookings", quantity="1", section="1", together="1")
    decide(event_id)
    (link,) = set(re.findall(r'href="(/bookings/[0-9a-f-]+)"', browser.get("/bookings").text))
    bill = plain(browser.get(link).text)

    assert "This event has no such code" in wrong
    assert "FIVE: €5.00 off your booking" in told
    assert "Code FIVE, taken off above -€5.00" in bill
    assert "Pay €45.00" in bill


def test_a_code_can_be_removed_again(browser, engine, event_id):
    a_code(engine, event_id, FIVE_OFF, "FIVE")
    page, form = f"/events/{event_id}", f"/events/{event_id}/codes"
    press(browser, page, form, code="five")

    assert "Remove" in plain(browser.get(page).text)
    assert "FIVE" not in press(browser, page, f"{form}/remove", code="FIVE")


def test_a_browser_remembers_codes_of_so_many_events(browser, engine, shop, event_id):
    events = [event_id, *(an_event(engine) for _ in range(EVENTS_MAX))]
    for number, each in enumerate(events):
        a_code(engine, each, FIVE_OFF, f"FIVE{number}")
        press(browser, f"/events/{each}", f"/events/{each}/codes", code=f"FIVE{number}")

    kept = [f"FIVE{n}" in browser.get(f"/events/{each}").text for n, each in enumerate(events)]

    assert kept == [False] + [True] * EVENTS_MAX


def test_a_section_that_only_a_code_opens_is_shown_to_who_has_one(browser, web, engine, event_id):
    a_code(engine, event_id, UNLOCK, "FRIENDS")
    with transaction(engine) as connection:
        codes.set_code_only(connection, event_id, [1], actor="test")
    pages = (f"/events/{event_id}", f"/events/{event_id}/choose")

    before = [browser.get(page).text for page in pages]
    press(browser, pages[0], f"/events/{event_id}/codes", code="friends", page="choose")
    after = [browser.get(page).text for page in pages]

    assert all("Stalls" not in page and "Balcony" in page for page in before)
    assert all("Stalls" in page for page in after)
    assert web.http.get(f"/v1/events/{event_id}").json()["code_only_sections"] == [1]


def test_the_seat_map_has_what_only_a_code_opens_for_who_has_the_code(web, engine, event_id):
    a_code(engine, event_id, UNLOCK, "FRIENDS")
    a_code(engine, event_id, FIVE_OFF, "FIVE")
    with transaction(engine) as connection:
        codes.set_code_only(connection, event_id, [1], actor="test")
    seats, person = f"/v1/events/{event_id}/seats", web.guest()

    everybodys = web.http.get(seats)
    for_ever = web.http.get(everybodys.json()["map_url"])
    with_code, with_another = (person.post(seats, {"codes": [code]}) for code in ("friends", "FIVE"))
    wrong = person.post(seats, {"codes": ["GUESS"]})

    def sections(answer: httpx.Response) -> list[int]:
        return [section["id"] for section in answer.json()["sections"]]

    assert [sections(each) for each in (everybodys, for_ever, with_code, with_another)] == [[2], [2], [1, 2], [2]]
    assert with_code.headers["Cache-Control"] == "no-store"
    assert "public" in everybodys.headers["Cache-Control"]
    hidden = web.http.get(f"{seats}/{with_code.json()['version']}")
    assert (hidden.status_code, slug(wrong)) == (404, "code-unknown")


def test_an_early_code_leads_from_the_page_to_the_seats_before_the_opening(browser, engine, later, decide):
    a_code(engine, later, EARLY, "FANS")
    choose = f"/events/{later}/choose"
    assert browser.get(choose).status_code == 303

    told = press(browser, f"/events/{later}", f"/events/{later}/codes", code="fans", page="event")
    press(browser, choose, f"/events/{later}/bookings", quantity="1", section="1", together="1")
    decide(later)

    assert "Choose your tickets" in told
    assert "Your code lets you in now" in plain(browser.get(f"/events/{later}").text)
    (link,) = set(re.findall(r'href="(/bookings/[0-9a-f-]+)"', browser.get("/bookings").text))
    assert "These tickets are held for you" in browser.get(link).text


def test_a_booking_that_its_code_left_with_nothing_says_so(browser, engine, event_id, decide):
    a_code(engine, event_id, replace(FIVE_OFF, section_ids=(2,)), "FIVE")
    choose = f"/events/{event_id}/choose"
    press(browser, choose, f"/events/{event_id}/codes", code="five", page="choose")
    press(browser, choose, f"/events/{event_id}/bookings", quantity="1", section="1", together="1")
    decide(event_id)
    (link,) = set(re.findall(r'href="(/bookings/[0-9a-f-]+)"', browser.get("/bookings").text))

    assert "Your code is not for these tickets" in plain(browser.get(link).text)


# Staff.


@pytest.fixture
def staff_of(web, engine):
    """Somebody of an organiser's staff, signed in."""

    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password"))
        return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))

    return member


@pytest.fixture
def console(web, staff_of):
    with httpx.Client(base_url=web.address, cookies={"onsale_staff": staff_of().token}, timeout=20) as client:
        yield client


def test_staff_make_codes_list_them_with_their_uses_and_switch_them(web, staff_of, event_id, decide):
    staff, path = staff_of(), f"/v1/admin/events/{event_id}/codes"
    made = staff.post(path, {"kind": "amount", "amount_minor": 500, "code": "five", "uses_max": 3, "note": "radio"})
    many = staff.post(path, {"kind": "percent", "percent_bp": 2500, "count": 250, "uses_max": 1, "sections": [2]})
    book(web.guest(), event_id, "FIVE")
    decide(event_id)

    (five,) = made.json()["codes"]
    page = staff.get(path).json()
    rest = staff.get(f"{path}?before={page['next_before']}").json()
    off = staff.ask("PATCH", f"{path}/{five['id']}", json={"off": True})

    assert (made.status_code, many.status_code) == (201, 201)
    assert len({code["code"] for code in many.json()["codes"]}) == 250
    assert (len(page["codes"]), len(rest["codes"]), rest["next_before"]) == (200, 51, None)
    found = rest["codes"][-1]
    assert (found["code"], found["used"], found["taken_off_minor"], found["note"]) == ("FIVE", 1, 500, "radio")
    assert off.json()["off"] is True
    assert slug(staff.post(path, {"kind": "unlock", "code": "F-I-V-E"})) == "code-exists"


def test_codes_are_the_organisers_own_and_a_viewer_only_looks(engine, staff_of, event_id):
    path, code = f"/v1/admin/events/{event_id}/codes", a_code(engine, event_id, FIVE_OFF)
    stranger, viewer = staff_of(organiser="Somebody else"), staff_of(Role.VIEWER)

    def tried(person: Person) -> list[int]:
        return [
            person.get(path).status_code,
            person.post(path, {"kind": "unlock"}).status_code,
            person.ask("PATCH", path, json={"code_only_sections": [1]}).status_code,
            person.ask("PATCH", f"{path}/{code.id}", json={"off": True}).status_code,
        ]

    assert tried(stranger) == [404] * 4
    assert tried(viewer) == [200, 403, 403, 403]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "unlock", "sections": [9]}, 404, "sections"),
        ({"kind": "amount"}, 409, "amount_minor"),
        ({"kind": "unlock", "code": "no such ch\u00e4r"}, 409, "code"),
        ({"kind": "unlock", "code": "ONE", "count": 2}, 409, "count"),
        ({"kind": "magic"}, 422, "kind"),
    ],
)
def test_codes_that_make_no_sense_are_refused_with_the_field(staff_of, event_id, body, status, field):
    answer = staff_of().post(f"/v1/admin/events/{event_id}/codes", body)

    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_the_console_makes_a_batch_downloads_it_switches_and_shuts_a_section(console, engine, event_id):
    page = f"/admin/events/{event_id}/codes"

    made = press(console, page, page, kind="percent", value="12.5", count="3", uses_max="1", note="=fans")
    file = console.get(f"{page}/codes.csv")
    lines = list(csv.DictReader(io.StringIO(file.text)))
    with engine.connect() as connection:
        newest = codes.of_event(connection, event_id)[0]
    switched = press(console, page, f"{page}/switch", code=str(newest.id), off="yes")
    shut = press(console, page, f"{page}/code-only", sections="1")

    assert "3 codes are made." in made
    assert file.headers["Content-Type"].startswith("text/csv")
    assert len({line["code"] for line in lines}) == 3
    # No spreadsheet reads a note as a formula.
    assert {(line["gives"], line["note"], line["used"]) for line in lines} == {
        ("12.5 % off each ticket", "'=fans", "0")
    }
    assert f"{newest.code} is off" in switched
    assert "In force" in shut
    assert 'value="1" checked' in console.get(page).text


def test_the_console_says_what_does_not_fit(console, event_id):
    page = f"/admin/events/{event_id}/codes"

    assert "How much is a number" in press(console, page, page, kind="amount", value="many")
    assert "has an amount" in press(console, page, page, kind="amount")
    assert "A moment looks like" in press(console, page, page, kind="early", presale_from="soon")


def test_the_command_makes_lists_and_switches(settings, engine, event_id):
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.main, ["codes", *words], env=settings)
        return done.exit_code, done.output

    event = str(event_id)
    made = run("make", event, "--kind", "percent", "--percent-bp", "1000", "--count", "2", "--note", "radio")
    chosen = run("make", event, "--kind", "early", "--presale-from", "2026-01-02T10:00", "--code", "fans")
    off = run("off", event, "fans")
    listed = run("list", event)

    assert [code for code, _ in (made, chosen, off, listed)] == [0] * 4, (made, chosen, off, listed)
    lines = list(csv.DictReader(io.StringIO(listed[1])))
    assert [(line["kind"], line["off"]) for line in lines] == [("early", "True"), *[("percent", "False")] * 2]
    assert {line["code"] for line in lines[1:]} == {line["code"] for line in csv.DictReader(io.StringIO(made[1]))}
    assert run("on", event, "FANS")[1] == "FANS is on.\n"
    assert "See `onsale codes list" in run("off", event, "nothing")[1]
    assert "There is no event" in run("list", "nowhere")[1]
