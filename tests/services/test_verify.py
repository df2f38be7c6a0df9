"""`onsale verify` finds what is broken, each invariant by itself, on a copy of a record that was whole before."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from onsale.db import journal
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.journal import Admission
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.ledger import StripeLedger
from onsale.verify.check import COUNTED_MAX, EXAMPLES_MAX, Copies, Verdict, verify
from onsale.workers import payments
from onsale.workers.admissions import tell_stock
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.shop import Shop
from tests.builders import a_booking, an_event, let_the_hold_run_out, open_queue, seat, states
from tests.conftest import ONSALE, SECRET_SETTINGS, STRIPE_SETTINGS

VISA = "pm_card_visa"
PER_MINUTE = 6_000
# More than the rules and the questions behind them need; a query per booking would be far above it.
STATEMENTS_MAX = 40


@dataclass
class Sale:
    """A small sale that is over: four paid bookings, one that was too late, one that ran out, one that is held."""

    shop: Shop
    engine: Engine
    event_id: EventId
    paid: list[BookingId]
    held: BookingId

    def damage(self, *statements: str) -> None:
        """Corrupt the copy: no trigger or foreign key stands in the way of this session."""
        with self.engine.begin() as connection:
            connection.execute(text("SET session_replication_role = replica"))
            for statement in statements:
                values = {"event_id": self.event_id, "paid": self.paid[0], "other": self.paid[1], "held": self.held}
                found = text(statement)
                connection.execute(found, {name: values[name] for name in found._bindparams})
            connection.execute(text("SET session_replication_role = origin"))

    def verified(self) -> Verdict:
        """The verdict on it, with its own simulator's ledger and its own copies."""
        config = self.shop.config
        ledger = StripeLedger(secret_key=config.stripe_secret_key, api_base=config.stripe_api_base)
        try:
            copies_at = Copies(self.shop.store, self.shop.ticket_cache)
            return verify(self.engine, self.event_id, ledger=ledger, copies_at=copies_at, agree_seconds=0.0)
        finally:
            ledger.close()

    def broken(self) -> set[str]:
        """The invariants that do not hold."""
        return {finding.invariant for finding in self.verified().findings if finding.ok is False}


@pytest.fixture
def sale(paying_shop: Shop, engine: Engine) -> Sale:
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=PER_MINUTE))
    open_queue(paying_shop, event_id)
    paid = [
        a_booking(engine, event_id, Wish(tickets=(seat(event_id, n),)), number=n, payment_method=VISA)
        for n in range(1, 5)
    ]
    a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=5)
    late = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 9),)), number=6)
    work_lane(paying_shop, event_id, last_look=True)
    for booking_id in paid:
        while states(engine, [booking_id]) != [BookingState.CONFIRMED]:
            payments.resume(paying_shop, booking_id)
    let_the_hold_run_out(engine, late)
    sweep(paying_shop)
    held = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 10),)), number=7)
    work_lane(paying_shop, event_id, last_look=True)
    with transaction(engine) as connection:
        began = datetime.now(UTC)
        runs = [Admission(n, began + timedelta(milliseconds=50 * n), n, n, 0, 0, 1) for n in range(1, 8)]
        journal.record_admissions(connection, event_id, runs)
    tell_stock(paying_shop, event_id)
    return Sale(paying_shop, engine, event_id, paid, held)


def test_a_sale_that_went_well_holds(sale: Sale) -> None:
    verdict = sale.verified()

    assert {finding.invariant: finding.examples for finding in verdict.findings if not finding.ok} == {}
    assert verdict.ok
    assert len(verdict.findings) == 12
    assert (verdict.numbers["sold"], verdict.numbers["captured"], verdict.numbers["captured_minor"]) == (4, 4, 18_000)


MOVE = "UPDATE booking_history SET to_state = 'held' WHERE booking_id = :paid AND to_state = 'confirmed'"
TWO_LIVE_SALES = """
    INSERT INTO booking_tickets (event_id, booking_id, ticket_id, price_minor, hold_version)
    SELECT event_id, :other, ticket_id, price_minor, 99 FROM booking_tickets WHERE booking_id = :paid
"""
ANOTHER_HOLD = """
    UPDATE bookings SET admission_id = (SELECT admission_id FROM bookings WHERE id = :other) WHERE id = :paid
"""
ONE_BUYER = "UPDATE bookings SET buyer_id = (SELECT buyer_id FROM bookings WHERE id = :other) WHERE id = :paid"
SAME_KEY = """
    UPDATE bookings SET buyer_id = (SELECT buyer_id FROM bookings WHERE id = :other),
           idempotency_key = (SELECT idempotency_key FROM bookings WHERE id = :other) WHERE id = :paid
"""
ALL_IN_ONE_MOMENT = """
    INSERT INTO admission_log (event_id, seq, first, last, return_first, return_last, admitted, passed, at)
    SELECT :event_id, 8, 8, 400, 0, 0, 393, '[]', max(at) FROM admission_log WHERE event_id = :event_id
"""
CALLED_TWICE = "UPDATE admission_log SET first = 2, last = 2 WHERE seq = 7 AND event_id = :event_id"
# As if the lane had seen number 1 and left it for later.
OVERTAKEN = """
    UPDATE bookings SET decided_at = decided_at + interval '1 hour',
           batch_snapshot = format('%s:%s:', pg_snapshot_xmax(batch_snapshot),
                                   pg_snapshot_xmax(batch_snapshot))::pg_snapshot
     WHERE id = :paid
"""
NOBODYS_PAYMENT = """
    WITH gone AS (DELETE FROM payments WHERE booking_id = :paid),
         sold AS (DELETE FROM captures WHERE booking_id = :paid),
         free AS (DELETE FROM booking_tickets WHERE booking_id = :paid),
         told AS (DELETE FROM booking_history WHERE booking_id = :paid),
         back AS (UPDATE tickets SET state = 'free', booking_id = NULL WHERE booking_id = :paid)
    DELETE FROM bookings WHERE id = :paid
"""

DAMAGE: dict[str, tuple[str, list[str]]] = {
    "a ticket with two live sales": ("I1", ["DROP INDEX sale_index", TWO_LIVE_SALES]),
    "no sale index": ("I1", ["DROP INDEX sale_index"]),
    "a ticket sold for nobody's booking": ("I1", ["DELETE FROM booking_tickets WHERE booking_id = :paid"]),
    "a section with more tickets than it holds": (
        "I1",
        ["UPDATE sections SET capacity = 9 WHERE event_id = :event_id"],
    ),
    "a confirmed booking without a capture": ("I2", ["DELETE FROM captures WHERE booking_id = :paid"]),
    "a capture of another amount": ("I2", ["UPDATE captures SET amount_minor = 1 WHERE booking_id = :paid"]),
    "a payment only the provider knows": ("I2", [NOBODYS_PAYMENT]),
    "a payment the provider does not know": ("I2", ["UPDATE payments SET intent_id = 'pi_x' WHERE booking_id = :paid"]),
    "a booking queued for an hour": (
        "I3",
        ["UPDATE bookings SET state = 'queued', queued_at = now() - interval '1 hour' WHERE id = :held"],
    ),
    "two bookings of one key": ("I4", ["ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key", SAME_KEY]),
    "no constraint on keys": ("I4", ["ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key"]),
    "a booking overtaken": ("I5", [OVERTAKEN]),
    "a number called twice": ("I5", [CALLED_TWICE]),
    "a crowd let in at once": ("I6", [ALL_IN_ONE_MOMENT]),
    "one admission, two holds": ("I6", ["DROP INDEX admission_index", ANOTHER_HOLD]),
    "no admission index": ("I6", ["DROP INDEX admission_index"]),
    "a ticket held for a booking that ended": (
        "I7",
        ["UPDATE tickets SET state = 'held', held_until = now() + interval '1 hour' WHERE booking_id = :paid"],
    ),
    "a ticket held past its time": (
        "I7",
        ["UPDATE tickets SET held_until = now() - interval '1 hour' WHERE booking_id = :held"],
    ),
    "a hold let go early": (
        "I7",
        ["UPDATE bookings SET hold_until = now() + interval '1 hour' WHERE state = 'expired'"],
    ),
    "a ticket of another price": ("I8", ["UPDATE booking_tickets SET price_minor = 1 WHERE booking_id = :paid"]),
    "a buyer with too many": ("I9", ["UPDATE events SET tickets_per_buyer = 1", ONE_BUYER]),
    "an event nobody finds": ("I10", ["DELETE FROM search_documents WHERE event_id = :event_id"]),
    "a history that ends elsewhere": ("I12", [MOVE]),
    "an illegal move": (
        "I12",
        ["DELETE FROM booking_moves WHERE from_state = 'committed' AND to_state = 'confirmed'"],
    ),
    "histories no longer kept": ("I12", ["ALTER TABLE bookings DISABLE TRIGGER booking_moved"]),
}
# What else is wrong by itself once this is.
ALSO = {
    "a ticket with two live sales": {"I2", "I8"},
    "a ticket sold for nobody's booking": {"I2", "I8"},
    "a capture of another amount": set(),
    "a booking queued for an hour": {"I7", "I12"},
    "a ticket held for a booking that ended": {"I2", "I10"},
    "a payment only the provider knows": {"I10"},
    "two bookings of one key": set(),
}


@pytest.mark.parametrize("what", list(DAMAGE))
def test_each_damage_breaks_its_invariant_and_no_other(sale: Sale, what: str) -> None:
    invariant, statements = DAMAGE[what]

    sale.damage(*statements)

    broken = sale.broken()
    assert invariant in broken
    assert broken <= {invariant} | ALSO.get(what, set())


def test_a_second_capture_at_the_provider_is_found(sale: Sale) -> None:
    booking = sale.paid[0]
    twin = sale.shop.provider._api.payment_intents.create(  # type: ignore[attr-defined]  # what no code of ours does
        {
            "amount": 4500,
            "currency": "eur",
            "confirm": True,
            "payment_method": VISA,
            "metadata": {"booking_id": str(booking)},
            "allowed_payment_method_types": ["card"],
        }
    )

    found = {finding.invariant: finding for finding in sale.verified().findings}

    assert found["I2"].ok is False
    assert any(twin.id in example for example in found["I2"].examples)


def test_a_cache_that_calls_a_free_ticket_taken_is_found(sale: Sale) -> None:
    from_now = sale.shop.store.snapshot(sale.event_id).now_ms + 3_600_000
    sale.shop.ticket_cache._write(sale.event_id, [(seat(sale.event_id, 8), 1_000, from_now)])

    assert sale.broken() == {"I10"}


def test_without_the_ledger_money_is_not_called_right(sale: Sale) -> None:
    verdict = verify(sale.engine, sale.event_id, ledger=None, copies_at=None)

    unchecked = {finding.invariant for finding in verdict.findings if finding.ok is None}
    assert unchecked == {"I2", "I10"}
    assert not verdict.ok


def test_a_sale_that_goes_on_holds(sale: Sale) -> None:
    """Bookings that wait, are queued, held, or being paid are on their way, and nothing is wrong with that."""
    event_id, engine = sale.event_id, sale.engine
    a_booking(engine, event_id, Wish(quantity=1), number=20, state=BookingState.WAITING)
    paying = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 7),)), number=8, payment_method=VISA)
    work_lane(sale.shop, event_id, last_look=True)
    payments.resume(sale.shop, paying)
    a_booking(engine, event_id, Wish(quantity=1), number=21)
    tell_stock(sale.shop, event_id)

    assert sale.broken() == set()


def test_checking_asks_no_more_for_more_bookings(sale: Sale) -> None:
    asked: list[str] = []
    event.listen(sale.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    sale.verified()

    assert len(asked) <= STATEMENTS_MAX


def test_examples_are_few_and_the_count_is_whole(sale: Sale) -> None:
    sale.damage("UPDATE tickets SET state = 'sold', booking_id = gen_random_uuid(), held_until = NULL")

    found = next(finding for finding in sale.verified().findings if finding.invariant == "I1")

    assert 10 <= found.count <= COUNTED_MAX
    assert len(found.examples) <= EXAMPLES_MAX


def asked(sale: Sale, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a person starts it."""
    config = sale.shop.config
    env = {
        **os.environ,
        **SECRET_SETTINGS,
        **STRIPE_SETTINGS,
        "ONSALE_ENVIRONMENT": "sandbox",
        "ONSALE_DATABASE_URL": config.database_url,
        "ONSALE_QUEUE_URL": config.queue_url,
        "ONSALE_CACHE_URL": config.cache_url,
        "ONSALE_STRIPE_API_BASE": config.stripe_api_base,
    }
    return subprocess.run([str(ONSALE), "verify", *arguments], env=env, capture_output=True, text=True, timeout=60)


def test_the_command_says_so_in_words_in_json_and_by_its_exit_code(sale: Sale) -> None:
    whole, document = asked(sale, str(sale.event_id)), asked(sale, str(sale.event_id), "--json")
    sale.damage("DELETE FROM captures WHERE booking_id = :paid")
    broken = asked(sale, str(sale.event_id))
    nowhere = asked(sale, "no-such-show")

    assert (whole.returncode, broken.returncode, nowhere.returncode) == (0, 1, 1)
    assert "Everything holds." in whole.stdout
    said: dict[str, Any] = json.loads(document.stdout)
    assert said["ok"] is True
    assert len(said["invariants"]) == 12
    assert str(sale.paid[0]) in broken.stdout
    assert "BROKEN" in broken.stdout
    assert nowhere.stderr.startswith("Error: There is no event 'no-such-show'.")
