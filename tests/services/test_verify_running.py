"""`onsale verify` holds while a sale goes on: what is on its way is no violation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import Engine

from onsale.db import holds
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.queue_settings import QueueChange
from onsale.db.states import ENDED, BookingState
from onsale.db.wishes import Wish
from onsale.errors import IllegalMove
from onsale.queue.keys import number_place
from onsale.verify.verdict import Verdict
from onsale.workers import follow_up, journaling, payments
from onsale.workers.admissions import Admitter
from onsale.workers.lanes import work_lane
from onsale.workers.shop import Shop
from tests.builders import PATIENCE_SECONDS, a_booking, an_event, booking, open_queue, some_buyers, states
from tests.services.small_sale import VISA, verified

SEATS, BUYERS = 60, 90
# Ten a second: the sale takes some seconds, and the first twenty do not come in at once.
PER_MINUTE = 600
HANDS_FREE_EVERY, CANCELS_EVERY = 3, 10


@dataclass
class Crowd:
    """Buyers who join, are let in, and book; every third one before the turn comes, and some give up again."""

    shop: Shop
    engine: Engine
    event_id: EventId
    ahead: dict[int, BuyerId] = field(default_factory=dict)
    bookings: list[BookingId] = field(default_factory=list)
    cancelled: set[BookingId] = field(default_factory=set)

    def join(self, how_many: int) -> None:
        for buyer_id in some_buyers(self.engine, how_many):
            number = self.shop.store.join(self.event_id, buyer_id, address="203.0.113.7").number
            self.ahead[number] = buyer_id
            if number % HANDS_FREE_EVERY == 0:
                self.shop.store.stay(self.event_id, number)
                self._book(number, state=BookingState.WAITING)

    def book(self) -> None:
        """Whoever is let in comes in and books."""
        serving = self.shop.store.snapshot(self.event_id).serving
        for number in [number for number in self.ahead if number <= serving]:
            self.shop.store.enter(self.event_id, number_place(number))
            self._book(number, state=BookingState.QUEUED)

    def pay(self) -> None:
        """Whoever holds tickets pays, or gives up."""
        for booking_id in list(self.bookings):
            found = booking(self.engine, booking_id)
            if found.number % CANCELS_EVERY == 0 and found.state is BookingState.HELD:
                self._cancel(booking_id, found.buyer_id)
            elif found.state not in ENDED | {BookingState.WAITING, BookingState.QUEUED}:
                payments.resume(self.shop, booking_id)

    def decide(self) -> None:
        work_lane(self.shop, self.event_id, last_look=True)

    def _book(self, number: int, *, state: BookingState) -> None:
        buyer_id, wish = self.ahead.pop(number), Wish(quantity=1)
        self.bookings.append(
            a_booking(
                self.engine, self.event_id, wish, number=number, buyer_id=buyer_id, state=state, payment_method=VISA
            )
        )

    def _cancel(self, booking_id: BookingId, buyer_id: BuyerId) -> None:
        with suppress(IllegalMove), transaction(self.engine) as connection:
            if released := holds.cancel(connection, booking_id, buyer_id=buyer_id):
                follow_up.released(self.shop, [released])


@contextmanager
def going_on(*work: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Each of these again and again, in a thread of its own; what one raises is kept."""
    stop, raised = threading.Event(), list[BaseException]()

    def again(one: Callable[[], object]) -> None:
        try:
            while not stop.wait(0.005):
                one()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=again, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield raised
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)


def a_crowd(shop: Shop, engine: Engine) -> Crowd:
    standing = [NewSection(1, "Standing", 1000, standing=SEATS)]
    event_id = an_event(engine, sections=standing, queue=QueueChange(rate_per_minute=PER_MINUTE))
    open_queue(shop, event_id)
    return Crowd(shop, engine, event_id)


def broken(verdict: Verdict) -> dict[str, tuple[str, ...]]:
    return {finding.invariant: (*finding.examples, finding.note) for finding in verdict.findings if not finding.ok}


def test_a_sale_through_its_own_queue_holds_from_the_first_booking_to_the_last(
    paying_shop: Shop, engine: Engine
) -> None:
    crowd = a_crowd(paying_shop, engine)
    crowd.join(BUYERS)
    admitter = Admitter(paying_shop)
    verdicts: list[Verdict] = []

    with going_on(
        lambda: admitter.go_round(time.monotonic()), crowd.decide, crowd.book, crowd.pay, crowd.pay
    ) as raised:
        until = time.monotonic() + 3 * PATIENCE_SECONDS
        while not raised and time.monotonic() < until and not (verdicts and verdicts[-1].numbers["sold"] == SEATS):
            verdicts.append(verified(paying_shop, crowd.event_id, agree_seconds=10.0))
    journaling.write_journal(paying_shop, crowd.event_id)
    end = verified(paying_shop, crowd.event_id, agree_seconds=10.0)

    assert raised == []
    assert [broken(verdict) for verdict in verdicts if not verdict.ok] == []
    assert broken(end) == {}
    under_way = [verdict.numbers for verdict in verdicts if verdict.numbers["ended"] < verdict.numbers["bookings"]]
    assert len(under_way) >= 3
    assert end.numbers["sold"] == end.numbers["captured"] == end.numbers["ledger_captured"] == SEATS
    assert end.numbers["admitted"] >= SEATS
    assert set(states(engine, crowd.bookings)) <= ENDED | {BookingState.WAITING}
