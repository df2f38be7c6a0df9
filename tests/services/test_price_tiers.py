"""Named tiers of a section: chosen ticket by ticket, priced once by the lane, shown in full, and told ever after."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from onsale.db import bookings, catalogue, codes, pricing, sale_log, seats
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.tiers import Tier
from onsale.db.wishes import Wish
from onsale.errors import BadRequest, IllegalMove, NotFound, TiersUnfit
from onsale.search import SearchQuery
from onsale.search.documents import documents
from onsale.search.postgres import PostgresSearch
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, an_event, booking, open_queue, run_sql, seat
from tests.services.small_sale import verified

ADULT, CHILD = Tier("Adult", 5000), Tier("Child", 2500, 2)
REDUCED = Tier('Reduced "10 %" \\ (show proof at the door)', 4000)
TIERS = (ADULT, CHILD, REDUCED)
HOUSE = (
    NewSection(1, "Parterre", 5000, rows=2, seats_per_row=10),
    NewSection(2, "Standing", 3000, standing=10),
)


def ask(engine: Any, event_id: EventId, **changes: Any) -> None:
    """What staff change."""
    with transaction(engine) as connection:
        pricing.change(connection, event_id, **{"terms": {}, "prices_minor": {}, **changes}, actor="test")


@pytest.fixture
def event_id(engine: Any, shop: Any) -> EventId:
    """Two rows in three tiers, and standing room at one price."""
    found = an_event(engine, sections=HOUSE, queue=QueueChange(enabled=False))
    ask(engine, found, tiers_of={1: TIERS})
    open_queue(shop, found)
    return found


@pytest.fixture
def book(shop: Any, event_id: EventId):
    """A booking of these wishes, decided."""

    numbers = count(1)

    def booked(wish: Wish) -> BookingId:
        made = a_booking(shop.engine, event_id, wish, number=next(numbers))
        work_lane(shop, event_id, last_look=True)
        return made

    return booked


def broken(shop: Any, event_id: EventId, invariant: str) -> tuple[str, ...]:
    """What verify finds of one invariant."""
    found = verified(shop, event_id, agree_seconds=0).findings
    return next(one.examples for one in found if one.invariant == invariant)


def sold_as(engine: Any, booking_id: BookingId) -> list[tuple[str | None, int]]:
    with reading(engine) as connection:
        return [(one.tier, one.price_minor) for one in bookings.tickets_of(connection, booking_id)]


def test_each_ticket_is_of_the_tier_that_was_asked_for_at_its_price(engine, shop, event_id, book):
    seats_ = (seat(event_id, 3), seat(event_id, 4), seat(event_id, 5))

    found = book(Wish(tickets=seats_, tiers=("Child", None, REDUCED.name), expected_total_minor=11_500))

    assert sold_as(engine, found) == [("Child", 2500), ("Adult", 5000), (REDUCED.name, 4000)]
    assert booking(engine, found).amount_minor == 11_500
    assert broken(shop, event_id, "I8") == ()


def test_tickets_without_a_tier_are_of_the_first_one(engine, book):
    assert sold_as(engine, book(Wish(quantity=2, section_id=1))) == [("Adult", 5000)] * 2


def test_a_section_without_tiers_sells_as_ever_beside_one_with_them(engine, shop, event_id, book):
    assert sold_as(engine, book(Wish(quantity=1, section_id=2))) == [(None, 3000)]
    assert broken(shop, event_id, "I8") == ()


def test_of_any_section_those_are_taken_that_sell_all_that_is_asked_for(engine, event_id, book):
    ask(engine, event_id, tiers_of={2: (Tier("Adult", 3000), Tier("Senior", 1000))})

    found = book(Wish(quantity=2, tiers=("Adult", "Senior")))

    assert sold_as(engine, found) == [("Adult", 3000), ("Senior", 1000)]


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (Wish(quantity=1, section_id=1, tiers=("Senior",)), "no_such_tier"),
        (Wish(quantity=1, section_id=2, tiers=("Adult",)), "no_such_tier"),
        (Wish(quantity=3, section_id=1, tiers=("Child",) * 3), "tier_limit"),
        (Wish(quantity=2, section_id=1, tiers=("Child", "Adult"), expected_total_minor=7_499), "price_changed"),
        (Wish(quantity=1, section_id=1, tiers=("Child",), max_price_minor=2_499), "none_free"),
    ],
)
def test_what_is_not_sold_so_is_refused_and_says_why(engine, book, wish, reason):
    ended = booking(engine, book(wish))

    assert (ended.state, ended.reason) == (BookingState.UNAVAILABLE, reason)


def test_a_named_seat_is_not_sold_as_what_its_section_does_not_sell(engine, event_id, book):
    ended = booking(engine, book(Wish(tickets=(seat(event_id, 1),), tiers=("Senior",))))

    assert (ended.state, ended.reason) == (BookingState.UNAVAILABLE, "no_such_tier")


def test_a_changed_tier_is_obeyed_by_a_lane_that_has_the_section_in_memory(engine, shop, event_id, book):
    before = book(Wish(quantity=1, section_id=1, tiers=("Child",)))

    ask(engine, event_id, tiers_of={1: (ADULT, CHILD._replace(price_minor=2000))})
    after = book(Wish(quantity=1, section_id=1, tiers=("Child",)))

    assert (sold_as(engine, before), sold_as(engine, after)) == ([("Child", 2500)], [("Child", 2000)])
    assert broken(shop, event_id, "I8") == ()


def test_verify_finds_a_ticket_at_a_price_that_its_tier_never_had(engine, shop, event_id, book):
    found = book(Wish(quantity=1, section_id=1, tiers=("Child",)))
    run_sql(engine, "UPDATE booking_tickets SET price_minor = 5000 WHERE booking_id = :id", id=found)
    run_sql(engine, "UPDATE bookings SET amount_minor = 5000 WHERE id = :id", id=found)

    (wrong,) = broken(shop, event_id, "I8")

    assert wrong.endswith("its tier Child costs 2500")


def test_what_a_tier_cost_is_on_record_and_who_changed_it_too(engine, event_id):
    ask(engine, event_id, tiers_of={1: (ADULT._replace(price_minor=6000), CHILD)})

    with reading(engine) as connection:
        line = sale_log.newest(connection, event_id, limit=1)[0]
        changes = connection.execute(
            text("SELECT tier, was_minor, now_minor FROM price_changes WHERE event_id = :id ORDER BY id DESC LIMIT 3"),
            {"id": event_id},
        ).all()
    assert (line.actor, line.kind, line.body["section"]) == ("test", "tiers_changed", 1)
    assert set(map(tuple, changes)) == {(None, 5000, 6000), ("Adult", 5000, 6000), (REDUCED.name, 4000, None)}


def test_a_section_costs_what_its_first_tier_costs_and_the_record_sees_to_it(engine, event_id):
    ask(engine, event_id, prices_minor={1: 5500})

    with reading(engine) as connection:
        first = catalogue.event_by_id(connection, event_id).sections[0]
    assert (first.price_minor, first.tiers[0].price_minor) == (5500, 5500)
    with pytest.raises(IntegrityError):
        run_sql(engine, "UPDATE sections SET price_minor = 1 WHERE event_id = :id AND id = 1", id=event_id)


def test_lists_search_and_the_map_tell_prices_from_the_cheapest_tier_on_in_full(engine, event_id):
    ask(engine, event_id, terms={"booking_fee_minor": 200})

    with reading(engine) as connection:
        (listing,) = catalogue.listings(connection, [event_id])
        found = connection.execute(
            text("SELECT price_min_minor, price_max_minor FROM search_listings WHERE id = :id"), {"id": event_id}
        ).one()
        house = seats.seat_map(connection, event_id)
    assert (listing.price_min_minor, listing.price_max_minor) == tuple(found) == (2700, 5200)
    assert [(one.name, one.total_minor, one.each_minor) for one in house.sections[0].tiers] == [
        ("Adult", 5200, 5000),
        ("Child", 2700, 2500),
        (REDUCED.name, 4200, 4000),
    ]


def test_lists_and_search_tell_no_price_of_what_only_a_code_opens(engine, event_id):
    with transaction(engine) as connection:
        codes.set_code_only(connection, event_id, [1], actor="test")

    with reading(engine) as connection:
        (listing,) = catalogue.listings(connection, [event_id])
        document = documents(connection, [event_id])[event_id]
        every_section = catalogue.event_by_id(connection, event_id).sections
    hit = PostgresSearch(engine).search(SearchQuery(text=listing.name)).hits[0]

    public = [section.price_minor for section in every_section if section.id != 1]
    told = {
        (listing.price_min_minor, listing.price_max_minor),
        (document["price_min_minor"], document["price_max_minor"]),
        (hit.price_min_minor, hit.price_max_minor),
    }
    assert told == {(min(public, default=None), max(public, default=None))}


@pytest.mark.parametrize(
    ("tiers", "error"),
    [
        ((ADULT, ADULT._replace(name=" adult ")), TiersUnfit),
        ((ADULT._replace(name="  "),), TiersUnfit),
        ((ADULT._replace(name="A\u200bB"),), TiersUnfit),
        ((ADULT._replace(name="x" * 61),), TiersUnfit),
        ((ADULT._replace(price_minor=100_000_000),), BadRequest),
        ((CHILD._replace(most=0),), BadRequest),
        (tuple(Tier(f"T{number}", 50) for number in range(11)), BadRequest),
    ],
)
def test_tiers_that_make_no_sense_are_refused(engine, event_id, tiers, error):
    with pytest.raises(error):
        ask(engine, event_id, tiers_of={1: tiers})


def test_ten_tiers_are_the_most_and_a_section_that_is_not_there_has_none(engine, event_id):
    ask(engine, event_id, tiers_of={1: [Tier(f"T{number}", 50) for number in range(10)]})

    with pytest.raises(NotFound):
        ask(engine, event_id, tiers_of={9: (ADULT,)})


def test_an_event_has_no_more_tiers_than_a_form_can_tell(engine, event_id, monkeypatch):
    monkeypatch.setattr(pricing, "TIERS_OF_EVENT_MAX", 5)
    ask(engine, event_id, tiers_of={2: TIERS[:2]})

    with pytest.raises(IllegalMove):
        ask(engine, event_id, tiers_of={2: TIERS})


@pytest.mark.parametrize("tiered", [False, True])
def test_a_batch_takes_no_statement_more_for_tiers(engine, shop, event_id, tiered):
    if not tiered:
        ask(engine, event_id, tiers_of={1: ()})
    a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=False)
    a_booking(engine, event_id, Wish(tickets=(seat(event_id, 2),)), number=2)
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sqlalchemy_event.listen(shop.lane_engine, "before_cursor_execute", note)
    try:
        work_lane(shop, event_id, last_look=False)
    finally:
        sqlalchemy_event.remove(shop.lane_engine, "before_cursor_execute", note)

    # The lock with whose turn has come, the batch, the named tickets, the decisions.
    assert len(sent) == 4
