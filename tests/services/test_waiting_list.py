"""Tickets that come back after sold out are offered in number order to who is there, and to nobody twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from onsale.db import charges, journal, waiting_entries, waiting_lists
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId
from onsale.db.journal import Join
from onsale.db.states import BookingState
from onsale.db.waiting_entries import Entry, Wanted
from onsale.db.waiting_lists import ListChange
from onsale.db.wishes import Wish
from onsale.queue.state import Phase
from onsale.queue.status import derived_phase
from onsale.workers import waiting_lists as rounds
from onsale.workers.admissions import tell_stock
from onsale.workers.expiry import sweep as expire
from onsale.workers.lanes import work_lane
from onsale.workers.mail import deliver
from onsale.workers.payments import resume
from onsale.workers.recovery import recover
from onsale.workers.shop import Shop
from tests.builders import (
    a_booking,
    a_buyer,
    an_event,
    booking,
    let_the_hold_run_out,
    open_queue,
    run_sql,
    some_buyers,
    states,
    until,
)
from tests.services.refunding import ask
from tests.services.small_sale import verified

S = BookingState
VISA = "pm_card_visa"


class House:
    """A show that is sold out, in bookings of so many tickets each; its list has begun."""

    def __init__(self, shop: Shop, engine: Engine, *sizes: int) -> None:
        self.shop, self.engine = shop, engine
        standing = (NewSection(1, "Standing", 4500, standing=sum(sizes)),)
        self.event_id = an_event(engine, sections=standing, tickets_per_buyer=50)
        open_queue(shop, self.event_id)
        self.sold = [
            a_booking(engine, self.event_id, Wish(quantity=size), number=n, payment_method=VISA)
            for n, size in enumerate(sizes, start=1)
        ]
        work_lane(shop, self.event_id, last_look=True)
        for booking_id in self.sold:
            resume(shop, booking_id)
        assert set(states(engine, self.sold)) == {S.CONFIRMED}
        tell_stock(shop, self.event_id)

    def come_back(self, *nth: int) -> None:
        """These of the bookings are refunded: their tickets are free again."""
        for one in nth:
            ask(self.shop, self.sold[one])

    def listed(self, *numbers: int, **wanted: Any) -> list[BuyerId]:
        buyers = []
        for number in numbers:
            buyer_id = a_buyer(self.engine)
            with transaction(self.engine) as connection:
                waiting_entries.put(connection, self.event_id, buyer_id, number, Wanted(**wanted))
            buyers.append(buyer_id)
        return buyers

    def away(self, buyer_id: BuyerId) -> None:
        """Asked long ago, and not seen since."""
        run_sql(
            self.engine,
            "UPDATE waiting_list_entries SET seen_at = now() - interval '10 minutes', "
            f"asked_at = now() - interval '10 minutes' WHERE buyer_id = '{buyer_id}'",
        )

    def round(self) -> None:
        rounds.sweep(self.shop)
        work_lane(self.shop, self.event_id, last_look=True)
        rounds.sweep(self.shop)
        tell_stock(self.shop, self.event_id)

    def entry(self, buyer_id: BuyerId) -> Entry:
        with self.engine.connect() as connection:
            found = waiting_entries.get(connection, self.event_id, buyer_id)
        assert found is not None
        return found

    def offers(self, buyers: Sequence[BuyerId]) -> list[BookingState | None]:
        """The state of what each is offered; None: nothing."""
        entries = [self.entry(one) for one in buyers]
        return [states(self.engine, [one.offer_id])[0] if one.offer_id else None for one in entries]

    def offer_of(self, buyer_id: BuyerId) -> BookingId:
        offered = self.entry(buyer_id).offer_id
        assert offered is not None
        return offered

    @property
    def free_in_queue(self) -> int | None:
        return self.shop.store.snapshot(self.event_id).free


@pytest.fixture
def house(paying_shop: Shop, engine: Engine) -> House:
    return House(paying_shop, engine, 1, 1, 1)


def test_a_list_begins_when_the_last_ticket_is_sold(house):
    with house.engine.connect() as connection:
        kept = waiting_lists.get(connection, house.event_id)

    assert kept.active
    assert derived_phase(house.shop.store.snapshot(house.event_id)) is Phase.SOLD_OUT
    assert house.shop.store.snapshot(house.event_id).waiting_list


def test_two_tickets_come_back_and_the_first_two_who_are_there_are_offered_one_each(house):
    buyers = house.listed(103, 101, 102)
    house.away(buyers[1])
    house.come_back(0, 1)

    house.round()

    assert house.offers(buyers) == [S.HELD, None, S.HELD]
    assert house.entry(buyers[1]).asleep
    assert house.free_in_queue == 0

    assert wrong(house) == []


def wrong(house: House) -> list[str]:
    """What verify finds; the queue here is driven by hand, and says other things of who was let in."""
    found = verified(house.shop, house.event_id, agree_seconds=5.0).findings
    return [what for one in found for what in one.examples if "queue says" not in what]


def test_twenty_tickets_back_at_once_are_twenty_windows_side_by_side(paying_shop, engine):
    house = House(paying_shop, engine, 20)
    buyers = house.listed(*range(101, 126))
    house.come_back(0)

    house.round()

    assert house.offers(buyers) == [S.HELD] * 20 + [None] * 5
    tickets = [booking(engine, house.offer_of(one)).tickets_taken for one in buyers[:20]]
    assert tickets == [1] * 20
    assert wrong(house) == []


def test_the_claim_window_is_the_lists_and_letting_it_pass_gives_the_ticket_to_the_next(house):
    with transaction(house.engine) as connection:
        waiting_lists.change(connection, house.event_id, ListChange(claim_seconds=120), actor="test")
    first, second = house.listed(101, 102)
    house.come_back(0)
    house.round()
    offered = booking(house.engine, house.offer_of(first))
    assert offered.hold_until is not None
    assert offered.decided_at is not None
    assert offered.hold_until - offered.decided_at == timedelta(seconds=120)

    let_the_hold_run_out(house.engine, offered.id)
    expire(house.shop)
    house.round()
    house.round()

    assert (house.entry(first).end_reason, house.offers([second])) == ("lapsed", [S.HELD])
    assert wrong(house) == []


def test_a_window_longer_than_the_time_to_pay_breaks_no_rule(house):
    with transaction(house.engine) as connection:
        waiting_lists.change(connection, house.event_id, ListChange(claim_seconds=7_200), actor="test")
    (buyer_id,) = house.listed(101)
    house.come_back(0)

    house.round()

    offered = booking(house.engine, house.offer_of(buyer_id))
    assert offered.hold_until is not None
    assert offered.decided_at is not None
    assert offered.hold_until - offered.decided_at == timedelta(hours=2)
    assert wrong(house) == []


def test_who_pays_has_tickets_and_is_off_the_list(house):
    (buyer_id,) = house.listed(101)
    house.come_back(0)
    house.round()
    offer = house.offer_of(buyer_id)

    with transaction(house.engine) as connection:
        charges.new_attempt(connection, offer, payment_method=VISA, return_url="https://shop.example/back")
    resume(house.shop, offer)
    house.round()

    assert (states(house.engine, [offer]), house.entry(buyer_id).end_reason) == ([S.CONFIRMED], "taken")
    assert wrong(house) == []


def test_with_nobody_left_tickets_are_on_sale_to_everybody_again(house):
    (buyer_id,) = house.listed(101)
    house.come_back(0, 1)
    house.round()
    kept = house.free_in_queue
    house.round()

    # One is offered, and nobody else is in line for the other.
    assert (kept, house.free_in_queue, house.offers([buyer_id])) == (1, 1, [S.HELD])


def test_while_somebody_was_asked_just_now_nothing_is_given_to_a_higher_number(house):
    early, late = house.listed(101, 102)
    run_sql(
        house.engine,
        f"UPDATE waiting_list_entries SET seen_at = NULL, asked_at = now() WHERE buyer_id = '{early}'",
    )
    house.come_back(0)

    house.round()
    undecided = house.offers([early, late])
    house.away(early)
    house.round()

    assert (undecided, house.offers([early, late])) == ([None, None], [None, S.HELD])
    assert wrong(house) == []


def test_who_was_away_keeps_the_number_and_comes_first_when_back(house):
    away, there, later = house.listed(101, 102, 103)
    house.away(away)
    house.come_back(0)
    house.round()
    assert house.offers([away, there, later]) == [None, S.HELD, None]

    with transaction(house.engine) as connection:
        assert waiting_entries.seen(connection, house.event_id, away)
    house.come_back(1)
    house.round()

    assert house.offers([away, there, later]) == [S.HELD, S.HELD, None]
    assert wrong(house) == []


def test_two_wanted_together_wait_for_two_and_block_nobody(house):
    (pair,) = house.listed(101, quantity=2)
    (single,) = house.listed(102)
    house.come_back(0)
    house.round()
    one_came = house.offers([pair, single])

    house.come_back(1, 2)
    house.round()

    assert (one_came, house.offers([pair, single])) == ([None, S.HELD], [S.HELD, S.HELD])
    assert booking(house.engine, house.offer_of(pair)).tickets_taken == 2
    assert wrong(house) == []


def test_what_the_lane_cannot_give_goes_to_the_next_and_its_buyer_stays_in_line(house):
    pair, single = house.listed(101, quantity=2)[0], house.listed(102)[0]
    house.come_back(0, 1)
    rounds.sweep(house.shop)
    assert house.offers([pair, single]) == [S.QUEUED, None]
    run_sql(house.engine, "UPDATE events SET tickets_per_buyer = 1")

    work_lane(house.shop, house.event_id, last_look=True)
    house.round()

    assert house.offers([pair, single]) == [None, S.HELD]
    assert house.entry(pair).ended_at is None


def test_who_has_as_many_tickets_as_one_may_is_passed_and_the_ticket_is_not_lost(house):
    full, there = house.listed(101, 102)
    run_sql(house.engine, "UPDATE events SET tickets_per_buyer = 1")
    run_sql(house.engine, f"UPDATE bookings SET buyer_id = '{full}' WHERE id = '{house.sold[2]}'")
    house.come_back(0)

    house.round()
    house.round()

    assert (house.entry(full).end_reason, house.offers([there])) == ("limit", [S.HELD])


SWEEPS = """
import os
from onsale.config import Config
from onsale.workers import waiting_lists
from onsale.workers.shop import open_shop
waiting_lists.sweep(open_shop(Config.from_env(os.environ)))
"""


def test_a_worker_killed_in_the_middle_of_a_round_has_offered_nothing_and_the_next_goes_on(house, settings):
    (buyer_id,) = house.listed(101)
    house.come_back(0)
    with house.engine.connect() as in_the_way:
        # The round waits for this line of its own, in the middle of what it writes.
        in_the_way.exec_driver_sql(
            "INSERT INTO waiting_list_rounds (event_id, round, absent, unfit) VALUES (%s, 1, '{}', '{}')",
            (house.event_id,),
        )
        worker = subprocess.Popen([sys.executable, "-c", SWEEPS], env={**os.environ, **settings})
        until(lambda: waits(house), "the round waits")
        worker.kill()
        worker.wait(20)
        in_the_way.rollback()
    until(lambda: not waits(house), "its transaction is rolled back")
    nothing = house.offers([buyer_id])

    rounds.sweep(house.shop)
    offered = house.offers([buyer_id])
    # Nobody has heard its wake-up: whatever wakes the lane later, the booking is there.
    house.round()

    assert (nothing, offered, house.offers([buyer_id])) == ([None], [S.QUEUED], [S.HELD])
    assert wrong(house) == []


def waits(house: House) -> bool:
    with house.engine.connect() as connection:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(connection.exec_driver_sql(asked).scalar_one())


def test_two_copies_of_the_sweep_offer_a_ticket_once(house):
    buyers = house.listed(101, 102)
    house.come_back(0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: rounds.sweep(house.shop), range(8)))
    house.round()

    assert house.offers(buyers) == [S.HELD, None]
    assert wrong(house) == []


def test_who_waits_in_the_queue_when_the_last_ticket_is_sold_is_on_the_list(paying_shop, engine):
    house = House(paying_shop, engine, 1)
    buyers = some_buyers(engine, 3)
    began = datetime.now(UTC) - timedelta(minutes=1)
    with transaction(engine) as connection:
        joins = [Join(number, one, began) for number, one in enumerate(buyers, start=50)]
        journal.record_joins(connection, house.event_id, joins)

    house.round()

    assert [house.entry(one).number for one in buyers] == [50, 51, 52]
    assert paying_shop.store.snapshot(house.event_id).asked_to >= 52


def test_an_emptied_redis_knows_of_the_list_again_and_gives_its_tickets_to_nobody(house, redis_client):
    (buyer_id,) = house.listed(101)
    house.away(buyer_id)
    run_sql(house.engine, "UPDATE waiting_list_entries SET asked_at = now()")
    house.come_back(0)
    redis_client.flushdb()

    recover(house.shop, house.event_id)
    tell_stock(house.shop, house.event_id)

    found = house.shop.store.snapshot(house.event_id)
    assert (found.free, found.waiting_list) == (0, True)


def test_verify_finds_an_offer_that_overtook_somebody(house):
    early, late = house.listed(101, 102)
    house.come_back(0)
    house.round()
    # As if the wrong one had been offered it.
    offer = house.offer_of(early)
    for statement in (
        f"UPDATE waiting_list_offers SET buyer_id = '{late}', number = 102 WHERE booking_id = '{offer}'",
        f"UPDATE waiting_list_entries SET offer_id = NULL WHERE buyer_id = '{early}'",
    ):
        run_sql(house.engine, statement)

    assert any("number 101 of the waiting list was overtaken by 102" in what for what in wrong(house))


def test_the_absent_who_asked_for_it_are_written_once_until_they_come(house):
    (away,) = house.listed(101, tell=True)
    (silent,) = house.listed(102)
    run_sql(
        house.engine,
        f"UPDATE buyers SET email = 'ada@example.org', password_hash = 'x' WHERE id = '{away}'",
    )
    for one in (away, silent):
        house.away(one)
    house.come_back(0)
    house.round()
    house.round()

    # Their ticket is kept for a claim window, so that the letter is worth something.
    assert letters(house) == [(away, "ticket_back")]
    assert house.free_in_queue == 0
    run_sql(house.engine, "UPDATE waiting_list_entries SET told_at = now() - interval '1 hour'")
    house.round()
    assert house.free_in_queue == 1


def test_what_is_offered_is_written_with_its_deadline_to_who_asked_for_it(house):
    (buyer_id,) = house.listed(101, tell=True)
    run_sql(
        house.engine,
        f"UPDATE buyers SET email = 'ada@example.org', password_hash = 'x' WHERE id = '{buyer_id}'",
    )
    house.come_back(0)
    house.round()

    deliver(house.shop)

    (letter,) = [one.read_text() for one in house.shop.config.outbox_dir.glob("*.eml") if "Offered" in one.read_text()]
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in letter
    assert f"/events/{house.event_id}/waiting-list" in letter


def letters(house: House) -> list[tuple[BuyerId, str]]:
    with house.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT buyer_id, kind FROM letters WHERE booking_id IS NULL").all()
    return [(BuyerId(buyer_id), kind) for buyer_id, kind in rows]
