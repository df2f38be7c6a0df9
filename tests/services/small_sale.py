"""A small sale on a real record, to be verified and damaged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from onsale.db import journal
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.journal import Admission, Join
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.ledger import StripeLedger
from onsale.verify.check import verify
from onsale.verify.copies import Copies
from onsale.verify.verdict import Finding, Verdict
from onsale.workers import payments
from onsale.workers.admissions import tell_stock
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.shop import Shop
from tests.builders import a_booking, an_event, let_the_hold_run_out, open_queue, seat, states

VISA = "pm_card_visa"
PER_MINUTE = 6_000


@dataclass
class Sale:
    """A small sale that is over: four paid bookings, one that was too late, one that ran out, one that is held."""

    shop: Shop
    engine: Engine
    event_id: EventId
    paid: list[BookingId]
    late: BookingId
    held: BookingId

    def damage(self, *statements: str) -> None:
        """Corrupt the copy: no trigger or foreign key stands in the way of this session."""
        with self.engine.begin() as connection:
            connection.execute(text("SET session_replication_role = replica"))
            for statement in statements:
                values: dict[str, object] = {"event_id": self.event_id, "paid": self.paid[0], "other": self.paid[1]}
                values |= {"held": self.held, "late": self.late}
                found = text(statement)
                connection.execute(found, {name: values[name] for name in found._bindparams})
            connection.execute(text("SET session_replication_role = origin"))

    def verified(self) -> Verdict:
        """The verdict on it; copies and ledger must agree at once."""
        return verified(self.shop, self.event_id, agree_seconds=0.0)

    def finding(self, invariant: str) -> Finding:
        """What is found of one invariant."""
        return next(finding for finding in self.verified().findings if finding.invariant == invariant)

    def broken(self) -> set[str]:
        """The invariants that do not hold."""
        return {finding.invariant for finding in self.verified().findings if finding.ok is False}


def verified(shop: Shop, event_id: EventId, *, agree_seconds: float) -> Verdict:
    """The verdict on an event, with its simulator's ledger and its own copies."""
    config = shop.config
    ledger = StripeLedger(secret_key=config.stripe_secret_key, api_base=config.stripe_api_base)
    try:
        copies_at = Copies(shop.store, shop.ticket_cache)
        return verify(shop.engine, event_id, ledger=ledger, copies_at=copies_at, agree_seconds=agree_seconds)
    finally:
        ledger.close()


def a_small_sale(shop: Shop, engine: Engine) -> Sale:
    """Through the lane, the payments and the sweep; who joined and was let in is written as the queue would."""
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=PER_MINUTE))
    open_queue(shop, event_id)
    began = datetime.now(UTC)
    paid = [
        a_booking(engine, event_id, Wish(tickets=(seat(event_id, n),)), number=n, payment_method=VISA)
        for n in range(1, 5)
    ]
    a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=5)
    late = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 9),)), number=6)
    work_lane(shop, event_id, last_look=True)
    for booking_id in paid:
        while states(engine, [booking_id]) != [BookingState.CONFIRMED]:
            payments.resume(shop, booking_id)
    let_the_hold_run_out(engine, late)
    sweep(shop)
    held = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 10),)), number=7)
    work_lane(shop, event_id, last_look=True)
    with transaction(engine) as connection:
        runs = [Admission(n, began + timedelta(milliseconds=50 * n), n, n, 0, 0, 1) for n in range(1, 8)]
        journal.record_admissions(connection, event_id, runs)
        rows = connection.execute(text("SELECT number, buyer_id FROM bookings WHERE event_id = :id"), {"id": event_id})
        joins = [Join(number, BuyerId(buyer_id), began) for number, buyer_id in rows]
        journal.record_joins(connection, event_id, joins)
    tell_stock(shop, event_id)
    return Sale(shop, engine, event_id, paid, late, held)
