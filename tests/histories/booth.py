"""The steps of a history on the real record: what buyers, lanes, payment workers, the sweeper and time may do.

Steps that a worker takes in one go are cut in two (read, then write) wherever something may come between: another
worker, an expiry, a cancellation. The lane's lock and the payment's lease, which mostly prevent that, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from onsale.db import allocation, bookings, charges, holds, house_reading, lane
from onsale.db.allocation import Decision
from onsale.db.bookings import Accepted, NewBooking
from onsale.db.catalogue import NewSection
from onsale.db.charges import Charge
from onsale.db.engine import reading, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, BuyerId, EventId, booking_id
from onsale.db.lane import AllocationStale, Batch
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import ProviderUnavailable
from onsale.workers import expiry, payments
from onsale.workers.payment_steps import Step
from tests.builders import an_event
from tests.histories.bank import Bank
from tests.histories.seen import Seen, look

SEATS = 4
PRICE_MINOR = 4500
TICKETS_PER_BUYER = 3
PAY_SECONDS = 600


class _Nothing:
    """A part that only helps: caches, wake-ups and slots. All of them may be lost."""

    def __getattr__(self, _: str) -> Any:
        return lambda *args, **more: None


@dataclass
class Lane:
    """A lane worker: its house, and the batch it has decided and not written."""

    house: House = field(default_factory=House)
    batch: Batch | None = None
    decisions: tuple[Decision, ...] = ()


class Booth:
    """One event with four seats in a row, its bank and its workers."""

    def __init__(self, engine: Engine, buyers: Sequence[BuyerId]) -> None:
        self.engine, self.buyers, self.bank = engine, buyers, Bank()
        section = NewSection(1, "Row", PRICE_MINOR, rows=1, seats_per_row=SEATS)
        dials = QueueChange(pay_seconds=PAY_SECONDS)
        self.event_id: EventId = an_event(engine, sections=[section], tickets_per_buyer=TICKETS_PER_BUYER, queue=dials)
        nothing = _Nothing()
        self.shop: Any = SimpleNamespace(
            config=SimpleNamespace(
                guards_off=frozenset(),
                public_url="https://shop.example",
                payment_receipts=False,
                # A slow card is waited for no longer than its hold.
                payment_processing_hours=0,
            ),
            engine=engine,
            provider=self.bank,
            pace=SimpleNamespace(turn=lambda **_: 0),
            store=nothing,
            ticket_cache=nothing,
            wakes=nothing,
        )
        self.lanes = (Lane(), Lane())
        self._made = 0

    def look(self) -> Seen:
        with reading(self.engine) as connection:
            return look(connection, self.event_id)

    def new_booking(self, buyer: BuyerId, wish: Wish, *, number: int, **more: Any) -> NewBooking:
        self._made += 1
        usual: dict[str, Any] = {
            "state": BookingState.QUEUED,
            "admission_id": str(number),
            "idempotency_key": f"key-{self._made}",
            "request_hash": b"%032d" % self._made,
        }
        return NewBooking(
            id=booking_id(self.event_id, self._made.to_bytes(12)),
            event_id=self.event_id,
            buyer_id=buyer,
            number=number,
            wishes=(wish,),
            **(usual | more),
        )

    def accept(self, new: NewBooking) -> Accepted:
        with transaction(self.engine) as connection:
            return bookings.accept(connection, new)

    def accept_both(self, one: NewBooking, other: NewBooking) -> None:
        """Two posts at once: neither sees the other's row before both are written."""
        with transaction(self.engine) as first, transaction(self.engine) as second:
            bookings.accept(first, one)
            bookings.accept(second, other)

    def turn_comes(self, serving: int) -> None:
        with transaction(self.engine) as connection:
            lane.queue_admitted(connection, self.event_id, serving=serving, return_serving=0)

    def lane_reads(self, which: Lane, size: int) -> None:
        """Read a batch and decide it. What was decided and not written is put back, as when a lane is interrupted."""
        allocation.put_back(which.house, which.decisions)
        with reading(self.engine) as connection:
            which.batch = lane.read_batch(connection, self.event_id, limit=size)
            named = house_reading.prepare_house(connection, self.event_id, which.house, which.batch)
        which.decisions = allocation.allocate(which.batch.requests, which.house, named)

    def lane_writes(self, which: Lane) -> bool:
        """Write what was decided; False when it was stale, and nothing was written."""
        decisions, batch = which.decisions, which.batch
        assert batch is not None
        which.decisions, which.batch = (), None
        try:
            with transaction(self.engine) as connection:
                written = lane.write_batch(connection, self.event_id, decisions, snapshot=batch.snapshot)
        except AllocationStale as stale:
            allocation.put_back(which.house, decisions)
            which.house.forget(stale.section_ids)
            return False
        which.house.wrote(written.changes)
        return True

    def cancel(self, booking: BookingId, buyer: UUID) -> None:
        with transaction(self.engine) as connection:
            if holds.cancel(connection, booking, buyer_id=BuyerId(buyer)) is None:
                holds.begin_voiding(connection, booking, reason="cancelled")

    def extend(self, booking: BookingId, buyer: UUID) -> None:
        with transaction(self.engine) as connection:
            holds.extend(connection, booking, buyer_id=BuyerId(buyer))

    def pay(self, booking: BookingId, card: str, key: str) -> int:
        with transaction(self.engine) as connection:
            return charges.new_attempt(connection, booking, payment_method=card, key=key).attempt

    def read_charge(self, booking: BookingId) -> Charge | None:
        with reading(self.engine) as connection:
            return charges.charge_of(connection, booking)

    def take_step(self, charge: Charge) -> Step:
        """The step that a worker takes by what it read, which may be long ago."""
        step = payments.next_step(charge)
        if step is not Step.REST:
            with suppress(payments.Later, ProviderUnavailable):
                payments.STEPS[step](self.shop, charge)
        return step

    def resume(self, booking: BookingId) -> None:
        payments.resume(self.shop, booking, lease_seconds=0)

    def hear(self, event: str, booking: BookingId) -> bool:
        """A webhook; True when it is news."""
        with transaction(self.engine) as connection:
            return charges.webhook_received(connection, event, "payment_intent.succeeded", booking_id=booking).new

    def sweep(self) -> None:
        expiry.sweep(self.shop)

    def time_passes(self, seconds: int) -> None:
        """Every deadline comes nearer."""
        with transaction(self.engine) as connection:
            for statement in _CLOSER:
                connection.execute(statement, {"event_id": self.event_id, "seconds": seconds})


_CLOSER = (
    text("""UPDATE bookings SET hold_until = hold_until - :seconds * interval '1 second'
             WHERE event_id = :event_id AND hold_until IS NOT NULL"""),
    text("""UPDATE tickets SET held_until = held_until - :seconds * interval '1 second'
             WHERE event_id = :event_id AND held_until IS NOT NULL"""),
)
