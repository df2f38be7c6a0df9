"""Tiers and prices to come on pages without a script: shown, chosen by count, and told on the ticket and in letters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest

from onsale.db import cancellations, price_schedule, pricing
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.letters import Letter, LetterKind, LetterState
from onsale.db.price_schedule import NewScheduled
from onsale.db.queue_settings import QueueChange
from onsale.db.tiers import Tier
from onsale.workers.lanes import work_lane
from onsale.workers.letters import drawn
from tests.builders import an_event, open_queue, run_sql, seat, until

REDUCED = "Reduced (show proof & smile)"
TIERS = (Tier("Adult", 5000), Tier("Child", 2500, 2), Tier(REDUCED, 4000))
HOUSE = (
    NewSection(1, "Parterre", 5000, rows=2, seats_per_row=10),
    NewSection(2, "Standing", 3000, standing=10),
)


def ask(engine: Any, event_id: EventId, **changes: Any) -> None:
    with transaction(engine) as connection:
        pricing.change(connection, event_id, **{"terms": {}, "prices_minor": {}, **changes}, actor="test")


@pytest.fixture
def event_id(engine: Any, shop: Any) -> EventId:
    found = an_event(engine, sections=HOUSE, queue=QueueChange(enabled=False))
    ask(engine, found, tiers_of={1: TIERS}, terms={"booking_fee_minor": 200})
    open_queue(shop, found)
    return found


def plain(page: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def hidden(page: str, start: str) -> dict[str, Any]:
    """The fields that the form sends by itself."""
    form = page.split(start)[1].split("</form>")[0]
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form):
        found.setdefault(name, []).append(unescape(value))
    return found


def chosen(web: Any, event_id: EventId, start: str, **more: Any) -> Any:
    """The form of the page for the first section, sent with these."""
    web.http.get(f"/events/{event_id}")
    page = web.http.get(f"/events/{event_id}/choose?section=1").text
    return web.http.post(f"/events/{event_id}/bookings", data=hidden(page, start) | more)


SEATS, BEST = 'id="seat-form"', 'class="best"'


def told(web: Any, shop: Any, event_id: EventId, sent: Any) -> str:
    """What the page that a form led to says, after the lane."""
    work_lane(shop, event_id, last_look=True)
    return plain(web.http.get(sent.headers["Location"]).text)


def test_the_page_of_a_show_lists_every_tier_in_full_and_the_range_from_the_cheapest(web, event_id):
    said = plain(web.http.get(f"/events/{event_id}").text)

    assert "€27.00 to €52.00" in said
    assert f"Adult €52.00 Child €27.00 at most 2 in a booking {REDUCED} €42.00" in said


def test_seats_are_picked_and_how_many_are_reduced_is_said_by_count(web, shop, event_id):
    picked = [str(seat(event_id, number)) for number in (3, 4, 5)]

    said = told(web, shop, event_id, chosen(web, event_id, SEATS, ticket=picked, count=["1", "1"]))

    assert "Parterre, row A, seat 3, Adult €50.00" in said
    assert "seat 4, Child €25.00" in said
    assert f"seat 5, {REDUCED} €40.00" in said
    assert "Together €117.00" in said


def test_the_best_available_is_asked_for_by_count_of_each_tier(web, shop, event_id):
    said = told(web, shop, event_id, chosen(web, event_id, BEST, section="1", count=["1", "1", "0"], together="1"))

    assert "Adult €50.00" in said
    assert "Child €25.00" in said
    assert "Together €77.00" in said


def test_a_section_without_tiers_is_asked_for_by_the_first_one_and_refuses_another(web, shop, event_id):
    said = told(web, shop, event_id, chosen(web, event_id, BEST, section="2", count=["2", "0", "0"]))
    refused = chosen(web, event_id, BEST, section="2", count=["0", "1", "0"])

    assert "Standing, standing €30.00" in said
    assert "There are no 'Child' tickets there." in plain(web.http.get(refused.headers["Location"]).text)


@pytest.mark.parametrize(
    ("start", "form", "says"),
    [
        (SEATS, {"ticket": ["1048577"], "count": ["1", "1"]}, "You picked 1 seats, and 2 tickets at other prices."),
        (BEST, {"section": "1", "count": ["0", "0", "0"]}, "Choose between 1 and 8 tickets."),
        (BEST, {"section": "1", "count": ["x", "0", "0"]}, "Choose between 0 and 8 tickets."),
        (BEST, {"section": "1", "count": ["1"]}, "This form is incomplete."),
        (BEST, {"section": "1", "count": ["0", "3", "0"]}, "A booking has at most 2 'Child' tickets."),
    ],
)
def test_counts_that_make_no_sense_are_refused_in_words(web, event_id, start, form, says):
    sent = chosen(web, event_id, start, **form)

    assert says in plain(web.http.get(sent.headers["Location"]).text)


@pytest.mark.parametrize(("start", "form"), [(SEATS, {"ticket": None}), (BEST, {"section": "1"})])
def test_a_tier_that_became_dearer_after_the_page_was_drawn_is_not_charged(web, engine, shop, event_id, start, form):
    counts = ["1", "0"] if start is SEATS else ["0", "1", "0"]
    filled = {"ticket": [str(seat(event_id, 1))]} if start is SEATS else form
    web.http.get(f"/events/{event_id}")
    page = web.http.get(f"/events/{event_id}/choose?section=1").text
    # Another order too: what was shown of a tier is known by its name.
    ask(engine, event_id, tiers_of={1: (TIERS[0], TIERS[2], TIERS[1]._replace(price_minor=2600))})

    sent = web.http.post(f"/events/{event_id}/bookings", data=hidden(page, start) | filled | {"count": counts})

    assert "The price went up before your booking was decided" in told(web, shop, event_id, sent)
    assert "€27.00" in plain(web.http.get(sent.headers["Location"]).text)


def test_what_will_be_another_price_is_said_beside_what_it_is(web, engine, event_id):
    at = datetime(2050, 12, 1, 10, tzinfo=UTC)
    for section_id, tier, price in ((1, "Child", 3000), (2, None, 3500)):
        with transaction(engine) as connection:
            new = NewScheduled(section_id, tier, price, at + timedelta(days=section_id - 1))
            price_schedule.add(connection, event_id, new, actor="test")

    said = plain(web.http.get(f"/events/{event_id}/choose").text)

    assert "Child €27.00 at most 2 in a booking until Thu 1 Dec 2050, 10:00 UTC, then €32.00" in said
    assert "€32.00 until Fri 2 Dec 2050, 10:00 UTC, then €37.00" in said


def test_a_letter_says_what_each_ticket_was_sold_as(web, engine, shop, event_id):
    picked = [str(seat(event_id, number)) for number in (3, 4)]
    sent = chosen(web, event_id, SEATS, ticket=picked, count=["0", "1"])
    work_lane(shop, event_id, last_look=True)
    booking_id = BookingId(UUID(sent.headers["Location"].rpartition("/")[2]))
    run_sql(engine, "UPDATE bookings SET state = 'authorising', version = version + 1 WHERE id = :id", id=booking_id)
    run_sql(
        engine, "UPDATE bookings SET state = 'requires_action', version = version + 1 WHERE id = :id", id=booking_id
    )
    now = datetime.now(UTC)
    letter = Letter(
        uuid4(), event_id, booking_id, LetterKind.NEEDS_BUYER, "a@example.org", LetterState.WAITING, 1, 0, now, now,
        None, now, now,
    )  # fmt: skip

    with reading(engine) as connection:
        found = drawn(connection, letter, public_url="https://x.example")

    assert "Parterre, row A, seat 3, Adult: 50.00 EUR" in found.text
    assert f"Parterre, row A, seat 4, {REDUCED}: 40.00 EUR" in found.text


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("address_limit", "So many tickets were booked from your network address"),
        ("tier_limit", "may not have so many tickets of one of the kinds"),
        ("no_such_tier", "are not sold there"),
    ],
)
def test_a_refusal_says_what_of_the_wish_it_was(web, engine, shop, event_id, reason, says):
    sent = chosen(web, event_id, BEST, section="2", count=["2", "0", "0"])
    booking_id = sent.headers["Location"].rpartition("/")[2]
    statement = "UPDATE bookings SET state = 'unavailable', version = version + 1, reason = :why WHERE id = :id"
    run_sql(engine, statement, id=booking_id, why=reason)

    said = plain(web.http.get(sent.headers["Location"]).text)

    assert says in said
    assert "your turn is still yours" in said


def test_the_page_of_a_cancelled_show_asks_no_price_and_counts_nothing_left(web, engine, event_id):
    before = plain(web.http.get(f"/events/{event_id}").text)
    with transaction(engine) as connection:
        cancellations.begin(connection, event_id, reason="The singer is ill", actor="test")

    def page() -> str:
        return plain(web.http.get(f"/events/{event_id}").text)

    # As fresh as a copy is: a second.
    until(lambda: "This show is cancelled." in page(), "the page says that the show is cancelled")
    after = page()

    assert all(each in before for each in ("20 left", "52.00"))
    assert not any(each in after for each in ("left", "52.00", "Prices"))
