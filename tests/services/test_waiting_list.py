"""Tickets that come back after sold out are offered in number order to who is there, and to nobody twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from onsale.db import waiting_entries, waiting_lists
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId
from onsale.db.states import BookingState
from onsale.db.waiting_entries import Entry, Wanted
from onsale.db.wishes import Wish
from onsale.queue.state import Phase
from onsale.queue.status import derived_phase
from onsale.workers import waiting_lists as rounds
from onsale.workers.admissions import tell_stock
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.shop import Shop
from tests.builders import a_booking, a_buyer, an_event, open_queue, run_sql, states
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
