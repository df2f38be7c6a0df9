"""Everything at once on one small house: lanes, sweeps, cancellations and payments, and a sound record afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Engine, text

from onsale.db import allocation, charges, holds, house_reading, lane
from onsale.db.catalogue import NewSection
from onsale.db.engine import make_engine, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.lane import AllocationStale
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import OnsaleError
from tests.builders import a_booking, an_event, some_buyers

BOOKINGS = 240
BUYERS = 40
SECONDS_MAX = 40
SEED = 20_261_123
SECTIONS = tuple(NewSection(n, f"Block {n}", 1000 * n, rows=2, seats_per_row=6) for n in (1, 2, 3))


class Chaos:
    """Threads that each repeat one thing until all bookings are decided; what they raise is kept."""

    def __init__(self, engine: Engine, event_id: EventId, ids: list[tuple[BookingId, BuyerId]]) -> None:
        self.engine, self.event_id, self.ids = engine, event_id, ids
        self.over = threading.Event()
        self.raised: list[BaseException] = []

    def run(self, *what: Callable[[random.Random], None]) -> None:
        threads = [threading.Thread(target=self._repeat, args=(one, n)) for n, one in enumerate(what)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + SECONDS_MAX
        while time.monotonic() < end and not self.raised and self._undecided():
            time.sleep(0.05)
        self.over.set()
        for thread in threads:
            thread.join()

    def _repeat(self, what: Callable[[random.Random], None], number: int) -> None:
        chance = random.Random(SEED + number)
        try:
            while not self.over.is_set():
                what(chance)
        except BaseException as error:
            self.raised.append(error)

    def _undecided(self) -> bool:
        with transaction(self.engine) as connection:
            return lane.any_queued(connection, self.event_id)

    def lane(self) -> Callable[[random.Random], None]:
        """A worker with a house of its own."""
        house = House()

        def work(chance: random.Random) -> None:
            try:
                with transaction(self.engine) as connection:
                    if not lane.take(connection, self.event_id).taken:
                        return
                    batch = lane.read_batch(connection, self.event_id, limit=chance.randint(1, 8))
                    named = house_reading.prepare_house(connection, self.event_id, house, batch)
                    decisions = allocation.allocate(batch.requests, house, named)
                    written = lane.write_batch(connection, self.event_id, decisions, snapshot=batch.snapshot)
                    house.wrote(written.changes)
            except AllocationStale:
                house.forget_all()

        return work

    def run_out(self, chance: random.Random) -> None:
        with transaction(self.engine) as connection:
            connection.execute(
                text("""UPDATE bookings SET hold_until = now() - interval '1 s' WHERE (event_id, id) IN (
                            SELECT event_id, id FROM bookings WHERE state = 'held' ORDER BY random() LIMIT 3
                            FOR UPDATE SKIP LOCKED)""")
            )

    def sweep(self, chance: random.Random) -> None:
        with transaction(self.engine) as connection:
            holds.expire(connection, limit=chance.randint(1, 5))

    def cancel(self, chance: random.Random) -> None:
        booking_id, buyer_id = chance.choice(self.ids)
        with suppress(OnsaleError), transaction(self.engine) as connection:
            if chance.random() < 0.2:
                holds.cancel(connection, booking_id, buyer_id=buyer_id)
            else:
                holds.extend(connection, booking_id, buyer_id=buyer_id)

    def pay(self, chance: random.Random) -> None:
        booking_id, _ = chance.choice(self.ids)
        with suppress(OnsaleError), transaction(self.engine) as connection:
            attempt = charges.new_attempt(connection, booking_id, payment_method="pm_card_visa")
            if chance.random() < 0.5:
                charges.declined(connection, booking_id, attempt.attempt, decline_code="x", message="")
            elif chance.random() < 0.5:
                holds.begin_voiding(connection, booking_id, reason="chaos")
                holds.end_voided(connection, booking_id, state=BookingState.EXPIRED)
            else:
                charges.authorised(connection, booking_id, attempt.attempt)
                charges.commit(connection, booking_id)
                charges.captured(connection, booking_id, amount_minor=1)


# What must hold afterwards, each as a question whose answer is 0.
BROKEN = {
    "a ticket with two live sales": """
        SELECT count(*) FROM (SELECT ticket_id FROM booking_tickets WHERE released_at IS NULL
                               GROUP BY ticket_id HAVING count(*) > 1) twice""",
    "a taken ticket whose live sale is not its booking's": """
        SELECT count(*) FROM tickets t LEFT JOIN booking_tickets bt
            ON bt.ticket_id = t.id AND bt.released_at IS NULL
         WHERE t.booking_id IS DISTINCT FROM bt.booking_id""",
    "a sold ticket of a booking that is not": """
        SELECT count(*) FROM tickets t JOIN bookings b ON b.id = t.booking_id
         WHERE (t.state = 'sold') <> (b.state IN ('committed', 'confirmed'))""",
    "a live booking without exactly its tickets": """
        SELECT count(*) FROM bookings b
         WHERE b.tickets_taken <> (SELECT count(*) FROM booking_tickets bt
                                    WHERE bt.booking_id = b.id AND bt.released_at IS NULL)
           AND b.state IN ('held', 'authorising', 'authorised', 'committed', 'confirmed')""",
    "a hold whose tickets have another deadline": """
        SELECT count(*) FROM bookings b JOIN tickets t ON t.booking_id = b.id
         WHERE b.state = 'held' AND t.held_until <> b.hold_until AND b.hold_until > now()""",
    "a history that does not lead to the state": """
        SELECT count(*) FROM bookings b
         WHERE b.state <> (SELECT h.to_state FROM booking_history h WHERE h.booking_id = b.id
                            ORDER BY h.version DESC LIMIT 1)""",
    "a buyer above the limit": """
        SELECT count(*) FROM (SELECT b.buyer_id FROM bookings b JOIN events e ON e.id = b.event_id
                               WHERE b.state IN ('held', 'authorising', 'authorised', 'committed', 'confirmed')
                               GROUP BY b.buyer_id, e.id HAVING sum(b.tickets_taken) > 6) above""",
    "a batch that passed over a lower number it could see": """
        SELECT count(*) FROM bookings late JOIN bookings early ON early.number < late.number
         WHERE late.batch_snapshot IS NOT NULL
           AND pg_visible_in_snapshot(early.queued_xid, late.batch_snapshot)
           AND early.decided_at > late.decided_at""",
}


def test_lanes_sweeps_cancellations_and_payments_at_once_leave_a_sound_record(record_url, engine):
    event_id = an_event(engine, sections=SECTIONS, tickets_per_buyer=200)
    chance = random.Random(SEED)
    buyers = some_buyers(engine, BUYERS)
    ids = []
    for number in range(1, BOOKINGS + 1):
        buyer = chance.choice(buyers)
        wish = Wish(quantity=chance.randint(1, 3), section_id=chance.choice((None, 1, 2, 3)))
        ids.append((a_booking(engine, event_id, wish, number=number, buyer_id=buyer), buyer))
    with engine.begin() as connection:
        connection.execute(text("UPDATE events SET tickets_per_buyer = 6"))
    ours = make_engine(record_url, pool_size=8, lock_timeout_ms=10_000)

    chaos = Chaos(ours, event_id, ids)
    chaos.run(chaos.lane(), chaos.lane(), chaos.run_out, chaos.sweep, chaos.sweep, chaos.cancel, chaos.pay)
    ours.dispose()

    assert chaos.raised == []
    with engine.connect() as connection:
        found = {what: connection.execute(text(question)).scalar() for what, question in BROKEN.items()}
        decided = connection.execute(text("SELECT count(*) FROM bookings WHERE state = 'queued'")).scalar()
    assert found == dict.fromkeys(BROKEN, 0), f"seed {SEED}"
    assert decided == 0
