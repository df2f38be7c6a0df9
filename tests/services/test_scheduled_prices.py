"""A price changes at its moment, by the record's clock at the hold, once, on record, whoever comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from onsale.db import allocation, bookings, catalogue, house_reading, lane, price_schedule, pricing, sale_log
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, EventId
from onsale.db.lane import AllocationStale
from onsale.db.price_schedule import NewScheduled, Scheduled
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.tiers import Tier
from onsale.db.wishes import Wish
from onsale.errors import BadRequest, IllegalMove, NoSuchTier, NotFound
from onsale.workers.lanes import End, work_lane
from onsale.workers.scheduled_prices import sweep_prices
from tests.builders import a_booking, an_event, booking, open_queue, run_sql
from tests.services.small_sale import verified

HOUSE = (NewSection(1, "Parterre", 5000, rows=2, seats_per_row=10), NewSection(2, "Standing", 3000, standing=10))
SOON = timedelta(days=1)


@pytest.fixture
def event_id(engine: Any, shop: Any) -> EventId:
    found = an_event(engine, sections=HOUSE, queue=QueueChange(enabled=False))
    open_queue(shop, found)
    return found


def scheduled(
    engine: Any, event_id: EventId, price_minor: int, *, section_id: int = 1, tier: str | None = None, **more: Any
) -> Scheduled:
    """A price from tomorrow on, unless told otherwise."""
    due_at = more.get("due_at", datetime.now(UTC) + SOON)
    with transaction(engine) as connection:
        new = NewScheduled(section_id, tier, price_minor, due_at)
        return price_schedule.add(connection, event_id, new, actor="test")


def let_it_come(engine: Any, one: Scheduled, *, seconds: float = 1) -> None:
    """As if its moment had been so many seconds ago."""
    run_sql(
        engine,
        "UPDATE scheduled_prices SET due_at = clock_timestamp() - :seconds * interval '1 second' WHERE id = :id",
        id=one.id,
        seconds=seconds,
    )


def prices(engine: Any, event_id: EventId) -> list[int]:
    with reading(engine) as connection:
        return [section.price_minor for section in catalogue.event_by_id(connection, event_id).sections]


def lines(engine: Any, event_id: EventId, kind: str) -> list[sale_log.Line]:
    with reading(engine) as connection:
        return [line for line in sale_log.read(connection, event_id) if line.kind == kind]


_numbers = count(1)


def book(shop: Any, event_id: EventId, **wish: Any) -> BookingId:
    made = a_booking(shop.engine, event_id, Wish(quantity=1, **{"section_id": 1, **wish}), number=next(_numbers))
    work_lane(shop, event_id, last_look=True)
    return made


def test_before_its_moment_the_price_is_what_it_was_and_everybody_is_told_what_it_will_be(engine, shop, event_id):
    with transaction(engine) as connection:
        pricing.change(connection, event_id, terms={"booking_fee_minor": 200}, prices_minor={}, actor="test")
    one = scheduled(engine, event_id, 6000)

    assert sweep_prices(shop) == 0
    assert booking(engine, book(shop, event_id)).amount_minor == 5200
    with reading(engine) as connection:
        (ahead,) = catalogue.event_by_id(connection, event_id).sections[0].ahead
    assert (ahead.due_at, ahead.tier, ahead.price_minor, ahead.total_minor) == (one.due_at, None, 6000, 6200)


def test_a_sweep_puts_it_in_force_once_with_a_line_in_the_sale_log(engine, shop, event_id):
    one = scheduled(engine, event_id, 6000)
    let_it_come(engine, one)

    assert (sweep_prices(shop), sweep_prices(shop)) == (1, 0)

    assert prices(engine, event_id) == [6000, 3000]
    (line,) = lines(engine, event_id, "scheduled_prices_applied")
    assert line.actor == "schedule"
    assert [(each["section"], each["price_minor"], each["outcome"]) for each in line.body["prices"]] == [
        (1, 6000, "applied")
    ]


def test_two_sweeps_at_once_apply_it_once(engine, shop, event_id):
    for section_id in (1, 2):
        let_it_come(engine, scheduled(engine, event_id, 6000, section_id=section_id))

    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: sweep_prices(shop), range(4)))

    assert sum(applied) == 2
    assert len(lines(engine, event_id, "scheduled_prices_applied")) == 1


def test_a_lane_that_comes_before_the_sweep_sells_at_the_new_price(engine, shop, event_id):
    book(shop, event_id)
    let_it_come(engine, scheduled(engine, event_id, 6000), seconds=0)

    after = book(shop, event_id)

    assert booking(engine, after).amount_minor == 6000
    assert sweep_prices(shop) == 0
    assert all(one.ok for one in verified(shop, event_id, agree_seconds=0).findings if one.invariant == "I8")


def test_what_was_decided_before_the_moment_and_would_be_held_after_it_is_decided_again(engine, event_id):
    one = scheduled(engine, event_id, 6000)
    made = a_booking(engine, event_id, Wish(quantity=1, section_id=1), number=1)
    house = House()
    with transaction(engine) as connection:
        batch = lane.read_batch(connection, event_id)
        house_reading.prepare_house(connection, event_id, house, batch)
        decisions = allocation.allocate(batch.requests, house, {})
    assert (batch.price_due_at, batch.price_is_due) == (one.due_at, False)

    passed = datetime.now(UTC) - timedelta(milliseconds=1)
    with pytest.raises(AllocationStale), transaction(engine) as connection:
        lane.write_batch(connection, event_id, decisions, snapshot=batch.snapshot, price_due_at=passed)

    assert booking(engine, made).state is BookingState.QUEUED


def test_who_was_shown_the_old_price_is_not_charged_the_new_one(engine, shop, event_id):
    let_it_come(engine, scheduled(engine, event_id, 6000))

    ended = booking(engine, book(shop, event_id, expected_total_minor=5000))

    assert (ended.state, ended.reason) == (BookingState.UNAVAILABLE, "price_changed")


def test_a_tier_changes_alone_and_the_first_one_with_its_section(engine, shop, event_id):
    with transaction(engine) as connection:
        tiers = {1: (Tier("Adult", 5000), Tier("Child", 2500))}
        pricing.change(connection, event_id, terms={}, prices_minor={}, tiers_of=tiers, actor="test")
    let_it_come(engine, scheduled(engine, event_id, 3000, tier="Child"), seconds=2)
    let_it_come(engine, scheduled(engine, event_id, 6000), seconds=1)

    sweep_prices(shop)

    with reading(engine) as connection:
        section = catalogue.event_by_id(connection, event_id).sections[0]
    assert section.price_minor == 6000
    assert [(tier.name, tier.price_minor) for tier in section.tiers] == [("Adult", 6000), ("Child", 3000)]


def test_of_several_that_came_due_meanwhile_the_last_one_counts(engine, shop, event_id):
    for price, ago in ((7000, 1), (6000, 3), (6500, 2)):
        let_it_come(engine, scheduled(engine, event_id, price, due_at=datetime.now(UTC) + ago * SOON), seconds=ago)

    assert sweep_prices(shop) == 3
    assert prices(engine, event_id) == [7000, 3000]


def test_a_tier_that_is_gone_by_then_changes_nothing_and_is_told(engine, shop, event_id):
    with transaction(engine) as connection:
        tiers = {1: (Tier("Adult", 5000), Tier("Child", 2500))}
        pricing.change(connection, event_id, terms={}, prices_minor={}, tiers_of=tiers, actor="test")
    one = scheduled(engine, event_id, 3000, tier="Child")
    with transaction(engine) as connection:
        pricing.change(connection, event_id, terms={}, prices_minor={}, tiers_of={1: ()}, actor="test")
    let_it_come(engine, one)

    sweep_prices(shop)

    with reading(engine) as connection:
        assert [each.outcome for each in price_schedule.listed(connection, event_id)] == ["not_sold"]
    assert prices(engine, event_id) == [5000, 3000]


def test_no_more_than_so_many_are_applied_in_one_transaction_and_none_is_left_over(engine, shop, event_id):
    for hours in range(4):
        at = datetime.now(UTC) + timedelta(hours=hours + 1)
        let_it_come(engine, scheduled(engine, event_id, 6000 + hours, due_at=at), seconds=4 - hours)

    with transaction(engine) as connection:
        assert len(price_schedule.apply_due(connection, event_id, limit=3)) == 3
    assert (prices(engine, event_id)[0], sweep_prices(shop), prices(engine, event_id)[0]) == (6002, 1, 6003)


def test_a_cancelled_one_does_not_come_and_one_in_force_cannot_be_cancelled(engine, shop, event_id):
    one, other = scheduled(engine, event_id, 6000), scheduled(engine, event_id, 4000, section_id=2)
    for _ in range(2):
        with transaction(engine) as connection:
            assert price_schedule.cancel(connection, event_id, one.id, actor="test").outcome == "cancelled"
    let_it_come(engine, one)
    let_it_come(engine, other)
    sweep_prices(shop)

    assert prices(engine, event_id) == [5000, 4000]
    assert len(lines(engine, event_id, "scheduled_price_cancelled")) == 1
    with pytest.raises(IllegalMove), transaction(engine) as connection:
        price_schedule.cancel(connection, event_id, other.id, actor="test")
    with pytest.raises(NotFound), transaction(engine) as connection:
        price_schedule.cancel(connection, event_id, other.id + 1, actor="test")


def test_asked_twice_it_is_one_and_another_price_for_the_same_moment_is_refused(engine, event_id):
    at = datetime.now(UTC) + SOON

    assert scheduled(engine, event_id, 6000, due_at=at).id == scheduled(engine, event_id, 6000, due_at=at).id
    with pytest.raises(IllegalMove, match="Another price"):
        scheduled(engine, event_id, 6500, due_at=at)


def test_what_cannot_come_is_refused_when_it_is_set(engine, event_id, monkeypatch):
    with pytest.raises(IllegalMove, match="passed"):
        scheduled(engine, event_id, 6000, due_at=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(NotFound):
        scheduled(engine, event_id, 6000, section_id=9)
    with pytest.raises(NoSuchTier):
        scheduled(engine, event_id, 6000, tier="Child")
    with pytest.raises(BadRequest):
        scheduled(engine, event_id, 100_000_000)
    monkeypatch.setattr(price_schedule, "WAITING_MAX", 1)
    scheduled(engine, event_id, 6000)
    with pytest.raises(IllegalMove, match="At most 1"):
        scheduled(engine, event_id, 6000, section_id=2)


def test_the_change_stream_tells_of_what_is_to_come_and_of_its_coming(engine, shop, event_id):
    """By the row of its section, which is written: what follows sections follows this."""

    def written() -> int:
        asked = text("SELECT xmin::text::bigint FROM sections WHERE event_id = :id AND id = 1")
        with reading(engine) as connection:
            return int(connection.execute(asked, {"id": event_id}).scalar_one())

    seen = [written()]
    one = scheduled(engine, event_id, 6000)
    seen.append(written())
    let_it_come(engine, one)
    sweep_prices(shop)
    seen.append(written())

    assert len(set(seen)) == 3


def test_a_lane_without_bookings_leaves_it_to_the_sweep(engine, shop, event_id):
    let_it_come(engine, scheduled(engine, event_id, 6000))

    assert work_lane(shop, event_id, last_look=True).end is End.DRAINED
    assert prices(engine, event_id) == [5000, 3000]


def test_tickets_that_are_held_keep_the_price_of_their_hold(engine, shop, event_id):
    held = book(shop, event_id)
    let_it_come(engine, scheduled(engine, event_id, 6000))
    sweep_prices(shop)

    with reading(engine) as connection:
        assert [one.price_minor for one in bookings.tickets_of(connection, held)] == [5000]
