"""Prices with fees and tax: shown in full, held and charged as shown, and never above what the buyer saw."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from onsale.db import catalogue, house_reading, lane, pricing, seats
from onsale.db.allocation import allocate
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.house import House
from onsale.db.letters import Letter, LetterKind, LetterState
from onsale.db.price_terms import WHOLE_BP, PriceTerms
from onsale.db.queue_settings import QueueChange
from onsale.db.staff import Role, Staff, put
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import BadRequest
from onsale.web import tokens
from onsale.workers import payments
from onsale.workers.lanes import work_lane
from onsale.workers.letters import drawn
from tests.builders import a_booking, a_show, an_event, booking, open_queue, run_sql, seat, states
from tests.services.serving import Person
from tests.services.small_sale import VISA, verified

# 45.00 and 5 % + 1.00 a ticket, 2.00 a booking, 19 % on all of it: 45.00 + 3.25 + 9.17 (of 48.25) = 57.42; 2.38 once.
TERMS = PriceTerms(ticket_fee_minor=100, ticket_fee_bp=500, booking_fee_minor=200, tax_bp=1900, tax_included=False)
EACH, ONCE = 5742, 238
SEED = 20


def ask(engine, event_id, *, prices=None, **terms):
    """What staff change."""
    with transaction(engine) as connection:
        pricing.change(connection, event_id, terms=terms, prices_minor=prices or {}, actor="test")


def named(terms: PriceTerms):
    return {name: value for name, value in terms.as_json().items() if name != "unit_minor"}


@pytest.fixture
def event_id(engine, shop):
    """Ten seats at 45.00 with fees and tax, for whoever comes."""
    event_id = an_event(engine, queue=QueueChange(enabled=False))
    ask(engine, event_id, **named(TERMS))
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def decide(shop, event_id):
    return lambda: work_lane(shop, event_id, last_look=True)


def test_what_the_record_says_of_a_price_is_what_the_rules_say(engine):
    chance = random.Random(SEED)
    cases = []
    for _ in range(500):
        unit = chance.choice([1, 10, 100])
        terms = PriceTerms(
            ticket_fee_minor=chance.choice([0, unit * chance.randrange(500)]),
            ticket_fee_bp=chance.choice([0, chance.randrange(WHOLE_BP + 1)]),
            ticket_fee_included=chance.random() < 0.5,
            booking_fee_minor=chance.choice([0, unit * chance.randrange(500)]),
            tax_bp=chance.choice([0, 500, 825, 1900, chance.randrange(WHOLE_BP + 1)]),
            tax_included=chance.random() < 0.5,
            fees_taxed=chance.random() < 0.5,
            unit_minor=unit,
        )
        cases.append((terms, unit * chance.choice([0, 1, chance.randrange(100_000)])))

    with engine.connect() as connection:
        for terms, price in cases:
            asked = {"price": price, "terms": orjson.dumps(terms.as_json()).decode()}
            found = connection.execute(text("SELECT full_price_minor(:price, CAST(:terms AS jsonb))"), asked).scalar()
            assert found == terms.alone(price).total_minor, (SEED, terms, price)


def test_a_price_is_shown_in_full_from_the_search_on(web, event_id):
    hit = web.http.get("/v1/search").json()["events"][0]
    event = web.http.get(f"/v1/events/{event_id}").json()
    house = web.http.get(f"/v1/events/{event_id}/seats").json()
    ticket = web.http.get(f"/v1/tickets/{seat(event_id, 1)}").json()

    assert (hit["price_min_minor"], hit["price_max_minor"]) == (EACH + ONCE, EACH + ONCE)
    (section,) = event["sections"]
    assert {name: section[name] for name in section if name.endswith("_minor")} == {
        "price_minor": 4500,
        "fees_minor": 525,
        "taxes_minor": 955,
        "total_minor": EACH + ONCE,
        "each_minor": EACH,
    }
    assert event["price_terms"] == named(TERMS)
    assert (house["sections"][0]["total_minor"], house["sections"][0]["each_minor"]) == (EACH + ONCE, EACH)
    assert (ticket["price"]["amount_minor"], ticket["price"]["total_minor"]) == (4500, EACH + ONCE)


@pytest.mark.parametrize(("most", "found"), [(EACH + ONCE, 1), (EACH + ONCE - 1, 0)])
def test_a_search_for_a_price_is_for_what_is_paid(web, event_id, most, found):
    assert web.http.get(f"/v1/search?price_max_minor={most}").json()["total"] == found


def test_pages_show_what_is_paid_and_what_is_in_it(web, event_id):
    pages = [web.http.get(path).text for path in ("/", "/search", f"/events/{event_id}", f"/events/{event_id}/choose")]

    assert all("€59.80" in page and "€45.00" not in page for page in pages)
    assert "fees of 5 % and €1.00 a ticket and 19 % tax included" in pages[2]
    assert "The booking fee of €2.38 is in the price of the first ticket only." in pages[2]


def test_an_event_without_fees_shows_and_charges_its_prices(web, engine, shop):
    plain = an_event(engine, queue=QueueChange(enabled=False))
    open_queue(shop, plain)
    person = web.guest()

    url = person.book(plain, {"quantity": 2}).headers["Location"]
    work_lane(shop, plain, last_look=True)

    found = person.get(url).json()
    assert (found["amount_minor"], found["fees_minor"], found["taxes_minor"]) == (9000, 0, 0)
    page = web.http.get(f"/events/{plain}").text
    assert "€45.00" in page
    assert "included" not in page


def test_a_booking_is_held_and_told_with_its_parts(web, event_id, decide):
    person = web.guest()

    url = person.book(event_id, {"quantity": 2}).headers["Location"]
    before = person.get(url).json()
    decide()

    found = person.get(url).json()
    assert (before["amount_minor"], before["fees_minor"]) == (None, None)
    assert (found["state"], found["amount_minor"]) == ("held", 2 * EACH + ONCE)
    assert (found["tickets_minor"], found["fees_minor"], found["taxes_minor"]) == (9000, 850, 1872)
    assert found["tickets_minor"] + found["fees_minor"] + found["taxes_minor"] == found["amount_minor"]
    assert [ticket["total_minor"] for ticket in found["tickets"]] == [EACH, EACH]


def test_what_is_charged_is_what_was_held_whatever_the_event_asks_since(paying_shop, engine):
    event_id = an_event(engine)
    ask(engine, event_id, **named(TERMS))
    open_queue(paying_shop, event_id)
    wish = Wish(tickets=(seat(event_id, 1), seat(event_id, 2)))
    held = a_booking(engine, event_id, wish, number=1, payment_method=VISA)
    work_lane(paying_shop, event_id, last_look=True)

    ask(engine, event_id, prices={1: 9000}, tax_bp=2500)
    while states(engine, [held]) != [BookingState.CONFIRMED]:
        payments.resume(paying_shop, held)

    with engine.connect() as connection:
        captured = connection.execute(text("SELECT amount_minor FROM captures")).scalar_one()
    assert captured == booking(engine, held).amount_minor == 2 * EACH + ONCE
    assert {one.invariant: one.ok for one in verified(paying_shop, event_id, agree_seconds=5).findings}["I8"]
    assert {one.invariant: one.ok for one in verified(paying_shop, event_id, agree_seconds=5).findings}["I2"]


@pytest.mark.parametrize(
    ("quantity", "most", "state"),
    [
        (1, EACH + ONCE, "held"),
        (1, EACH + ONCE - 1, "unavailable"),
        (2, EACH + ONCE // 2, "held"),
        (2, EACH, "unavailable"),
    ],
)
def test_a_highest_price_is_of_what_is_paid(web, event_id, decide, quantity, most, state):
    person = web.guest()

    url = person.book(event_id, {"quantity": quantity, "max_price_minor": most}).headers["Location"]
    decide()

    assert person.get(url).json()["state"] == state


def test_dinars_are_charged_in_tens_of_fils(paying_shop, engine):
    event_id = an_event(engine, sections=[NewSection(1, "Hall", 12_490, standing=3)])
    run_sql(engine, "UPDATE events SET currency = 'kwd'")
    ask(engine, event_id, ticket_fee_bp=333, tax_bp=777, tax_included=False)
    open_queue(paying_shop, event_id)
    held = a_booking(engine, event_id, Wish(quantity=3), number=1, payment_method=VISA)
    work_lane(paying_shop, event_id, last_look=True)

    while states(engine, [held]) != [BookingState.CONFIRMED]:
        payments.resume(paying_shop, held)

    # 12.490 and 3.33 %, 0.420, with 7.77 % of 12.910 on top: 1.000.
    assert booking(engine, held).amount_minor == 3 * (12_490 + 420 + 1_000)
    now = datetime.now(UTC)
    waiting = Letter(
        uuid4(),
        event_id,
        held,
        LetterKind.TICKETS,
        "a@example.org",
        LetterState.WAITING,
        1,
        0,
        now,
        now,
        None,
        now,
        now,
    )
    with engine.connect() as connection:
        letter = drawn(connection, waiting, public_url="https://x.example")
    assert "13.910 KWD" in letter.text
    assert "Paid: 41.730 KWD" in letter.text
    assert "of which fees: 1.260 KWD" in letter.text
    assert "of which tax, 7.77%: 3.000 KWD" in letter.text
    assert all(line in letter.html for line in ("41.730 KWD", "of which fees", "1.260 KWD"))


WISHES = {
    "named": lambda event_id: {"tickets": [seat(event_id, 1), seat(event_id, 2)]},
    "similar": lambda event_id: {"tickets": [seat(event_id, 1), seat(event_id, 2)], "or_similar": True},
    "best": lambda _: {"quantity": 2, "section_id": 1},
    "apart": lambda _: {"quantity": 2, "together": False},
}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize(
    ("change", "state", "amount"),
    [
        ({}, "held", 2 * EACH + ONCE),
        ({"prices": {1: 4600}}, "unavailable", None),
        ({"booking_fee_minor": 201}, "unavailable", None),
        ({"tax_bp": 2000}, "unavailable", None),
        # Lower is charged lower.
        ({"booking_fee_minor": 0}, "held", 2 * EACH),
    ],
)
def test_a_buyer_is_never_charged_more_than_was_shown(web, engine, event_id, decide, wish, change, state, amount):
    person = web.guest()
    asked = WISHES[wish](event_id) | {"expected_total_minor": 2 * EACH + ONCE}

    url = person.book(event_id, asked).headers["Location"]
    ask(engine, event_id, **change)
    decide()

    found = person.get(url).json()
    assert (found["state"], found["amount_minor"]) == (state, amount)
    assert found["reason"] == (None if state == "held" else "price_changed")


def test_a_price_that_changed_is_known_to_a_lane_that_has_the_section_in_memory(web, engine, event_id, decide):
    person = web.guest()
    person.book(event_id, {"quantity": 1})
    decide()

    ask(engine, event_id, prices={1: 1000})
    url = person.book(event_id, {"quantity": 1}).headers["Location"]
    decide()

    assert person.get(url).json()["tickets"][0]["price_minor"] == 1000


def test_what_is_gone_is_not_said_to_be_dearer(web, event_id, decide):
    person, late = web.guest(), web.guest()
    person.book(event_id, {"tickets": [seat(event_id, 1)]})
    decide()

    asked = {"tickets": [seat(event_id, 1)], "expected_total_minor": EACH + ONCE}
    url = late.book(event_id, asked, asked).headers["Location"]
    decide()

    assert late.get(url).json()["reason"] == "taken"


def test_the_next_wish_is_tried_when_one_has_become_too_dear(web, event_id, decide):
    person = web.guest()
    dear, other = {"quantity": 2, "expected_total_minor": 100}, {"quantity": 1, "expected_total_minor": EACH + ONCE}

    url = person.book(event_id, dear, other).headers["Location"]
    decide()

    assert (person.get(url).json()["state"], person.get(url).json()["amount_minor"]) == ("held", EACH + ONCE)


def test_the_page_sends_what_it_showed_and_says_when_the_price_went_up(web, engine, event_id, decide):
    web.http.get(f"/events/{event_id}")
    page = web.http.get(f"/events/{event_id}/choose?section=1").text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.split('id="seat-form"')[1]))
    assert fields["shown"] == f"{ONCE} 1:{EACH}"
    form = fields | {"ticket": [str(seat(event_id, 1)), str(seat(event_id, 2))]}
    ask(engine, event_id, prices={1: 5000})

    sent = web.http.post(f"/events/{event_id}/bookings", data=form)
    decide()
    said = web.http.get(sent.headers["Location"]).text

    assert "The price went up before your booking was decided" in said
    assert "never charge more than the €117.22 that you were shown" in said
    assert "you were not charged" in said
    assert "See the prices now" in said


def test_the_page_of_a_booking_adds_up(web, event_id, decide):
    page = web.http.get(f"/events/{event_id}/choose?section=1").text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.split('id="seat-form"')[1]))

    sent = web.http.post(
        f"/events/{event_id}/bookings", data=fields | {"ticket": [str(seat(event_id, n)) for n in (1, 2)]}
    )
    decide()
    said = re.sub(r"<[^>]+>", " ", web.http.get(sent.headers["Location"]).text)

    plain = re.sub(r"\s+", " ", said)
    assert "seat 1 €57.42" in plain
    assert "Booking fee €2.38 Together €117.22 of which fees €8.50 of which tax, 19 % €18.72" in plain


@pytest.fixture
def staff_of(web, engine):
    """Somebody of the organiser's staff, signed in."""

    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password"))
        return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))

    return member


def at(event_id):
    return f"/v1/admin/events/{event_id}/prices"


def test_staff_change_prices_and_terms_and_buyers_see_it(web, event_id, staff_of):
    body = {"price_terms": {"tax_bp": 0, "ticket_fee_bp": 0}, "sections": [{"id": 1, "price_minor": 5000}]}

    changed = staff_of().ask("PATCH", at(event_id), json=body)

    assert changed.status_code == 200, changed.text
    assert changed.json()["sections"][0]["total_minor"] == 5000 + 100 + 200
    assert staff_of().get(at(event_id)).json() == changed.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"price_terms": {"tax_bp": 10_001}}, "price_terms.tax_bp"),
        ({"price_terms": {"ticket_fee_minor": -1}}, "price_terms.ticket_fee_minor"),
        ({"sections": [{"id": 1, "price_minor": 1.5}]}, "sections.0.price_minor"),
    ],
)  # fmt: skip
def test_prices_that_make_no_sense_are_refused_by_name(web, event_id, staff_of, body, field):
    answer = staff_of().ask("PATCH", at(event_id), json=body)

    assert answer.status_code == 422, answer.text
    named = {each["field"] for each in answer.json().get("errors", [])} | {answer.json().get("field")}
    assert field in named, answer.json()


def test_a_fee_within_the_price_can_be_set_to_nothing_and_back(web, event_id, staff_of):
    """A change names what it changes: one that sets the fee to nothing need not know where it was."""
    none, again = {"ticket_fee_minor": 0, "ticket_fee_bp": 0}, {"ticket_fee_minor": 500}
    anna = staff_of()

    anna.ask("PATCH", at(event_id), json={"price_terms": {**again, "ticket_fee_included": True}})
    emptied = anna.ask("PATCH", at(event_id), json={"price_terms": none})
    filled = anna.ask("PATCH", at(event_id), json={"price_terms": again})

    assert (emptied.status_code, filled.status_code) == (200, 200), emptied.text
    of_the_booking = emptied.json()["sections"][0]["fees_minor"]
    assert filled.json()["sections"][0]["fees_minor"] == of_the_booking + 500


def test_a_price_for_a_section_that_is_not_there_changes_nothing(web, event_id, staff_of):
    body = {"sections": [{"id": 1, "price_minor": 100}, {"id": 99, "price_minor": 100}]}

    answer = staff_of().ask("PATCH", at(event_id), json=body)

    assert (answer.status_code, answer.json()["field"]) == (404, "sections")
    sections = staff_of().ask("GET", f"/v1/events/{event_id}").json()["sections"]
    assert [section["price_minor"] for section in sections] == [4500]


def test_only_who_may_change_a_sale_changes_its_prices(web, event_id, staff_of):
    body = {"sections": [{"id": 1, "price_minor": 1}]}

    viewer = staff_of(Role.VIEWER).ask("PATCH", at(event_id), json=body)
    stranger = staff_of(organiser="Others").ask("PATCH", at(event_id), json=body)

    assert (viewer.status_code, stranger.status_code) == (403, 404)


def test_a_new_version_of_the_house_comes_with_new_terms(engine, event_id):
    with transaction(engine) as connection:
        before = seats.seat_map(connection, event_id)
        pricing.change(connection, event_id, terms={"tax_bp": 0}, prices_minor={}, actor="test")
        after = seats.seat_map(connection, event_id)

    assert before.version != after.version


@pytest.mark.parametrize(
    ("currency", "price", "total"), [("jpy", 8800, 9680), ("kwd", 12_500, 13_750), ("kwd", 12_490, 13_740)]
)
def test_a_currency_without_cents_or_with_three_digits_is_priced_in_what_can_be_charged(engine, currency, price, total):
    event_id = a_show(engine, "Somewhere else")
    run_sql(engine, "UPDATE events SET currency = :currency", currency=currency)
    with transaction(engine) as connection:
        catalogue.add_sections(connection, event_id, [NewSection(1, "Hall", price, standing=3)])
    ask(engine, event_id, tax_bp=1000, tax_included=False)

    with transaction(engine) as connection:
        found = catalogue.event_by_id(connection, event_id)

    assert found.sections[0].total_minor == total


def test_a_price_that_cannot_be_charged_is_refused_when_it_is_set(engine):
    event_id = a_show(engine, "Somewhere else")
    run_sql(engine, "UPDATE events SET currency = 'kwd'")

    with transaction(engine) as connection, pytest.raises(BadRequest) as refused:
        catalogue.add_sections(connection, event_id, [NewSection(1, "Hall", 12_505, standing=3)])

    assert refused.value.field == "price_minor"


def test_a_fee_and_a_tax_that_are_both_within_a_price_may_be_more_than_it_together(web, engine, event_id, decide):
    ask(engine, event_id, booking_fee_minor=0, ticket_fee_minor=9000, ticket_fee_included=True, tax_included=True)
    person = web.guest()

    url = person.book(event_id, {"quantity": 1}).headers["Location"]
    decide()

    found = person.get(url).json()
    assert (found["state"], found["amount_minor"]) == ("held", 4500)
    assert (found["tickets_minor"], found["fees_minor"], found["taxes_minor"]) == (0, 4500, 718)


def test_a_lane_that_forgets_the_terms_is_stopped_by_the_record(engine, event_id):
    a_booking(engine, event_id, Wish(quantity=1), number=1)
    house = House()

    with engine.connect() as connection:
        batch = lane.read_batch(connection, event_id)
        tickets = house_reading.prepare_house(connection, event_id, house, batch)
        decisions = allocate(batch.requests, house, tickets)
        with pytest.raises(IntegrityError, match="ck_bookings_parts"):
            lane.write_batch(connection, event_id, decisions, snapshot=batch.snapshot)
