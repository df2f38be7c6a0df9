"""`onsale verify` finds what is broken, each invariant by itself, on a copy of a record that was whole before."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from sqlalchemy import event, text

from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.verify.check import COUNTED_MAX, RULES, verify
from onsale.verify.findings import EXAMPLES_MAX
from onsale.workers import payments
from onsale.workers.admissions import tell_stock
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, run_sql, seat
from tests.conftest import NOWHERE, ONSALE, SECRET_SETTINGS, STRIPE_SETTINGS
from tests.services.small_sale import VISA, Sale

# More than the rules and the questions behind them need; a query per booking would be far above it.
STATEMENTS_MAX = 40


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

NEVER_CAPTURED = [
    "DELETE FROM captures WHERE booking_id = :paid",
    "DELETE FROM booking_history WHERE booking_id = :paid AND to_state = 'confirmed'",
    "UPDATE booking_history SET at = at - interval '1 hour' WHERE booking_id = :paid",
    "UPDATE bookings SET state = 'committed', version = version - 1, ended_at = NULL WHERE id = :paid",
]
BEFORE_THEIR_TURN = [
    """
    INSERT INTO queue_checkpoints VALUES (:event_id, 7, 0, 7, 0, now())
    ON CONFLICT (event_id) DO UPDATE SET serving = 7
    """,
    "UPDATE bookings SET number = 900, decided_at = now() - interval '1 minute' WHERE id = :held",
]
PAUSED = [
    "UPDATE sale_log SET at = at - interval '2 hours' WHERE event_id = :event_id",
    """
    INSERT INTO sale_log (event_id, seq, at, actor, kind, body)
    SELECT event_id, max(seq) + 1, now() - interval '1 hour', 'test', 'queue_changed',
           '{"phase": {"from": "open", "to": "paused"}}' FROM sale_log WHERE event_id = :event_id GROUP BY event_id
    """,
    "UPDATE queue_settings SET phase = 'paused' WHERE event_id = :event_id",
]

DAMAGE: dict[str, tuple[str, list[str]]] = {
    "a ticket with two live sales": ("I1", ["DROP INDEX sale_index", TWO_LIVE_SALES]),
    "a sale of a free ticket": (
        "I1",
        ["UPDATE tickets SET state = 'free', booking_id = NULL WHERE booking_id = :paid"],
    ),
    "another index by the name of the sale index": (
        "I1",
        [
            "DROP INDEX sale_index",
            "CREATE UNIQUE INDEX sale_index ON booking_tickets (event_id, ticket_id, booking_id)",
        ],
    ),
    "no sale index": ("I1", ["DROP INDEX sale_index"]),
    "a ticket sold for nobody's booking": ("I1", ["DELETE FROM booking_tickets WHERE booking_id = :paid"]),
    "a section with more tickets than it holds": (
        "I1",
        ["UPDATE sections SET capacity = 9 WHERE event_id = :event_id"],
    ),
    "a confirmed booking without a capture": ("I2", ["DELETE FROM captures WHERE booking_id = :paid"]),
    "a capture of another amount": ("I2", ["UPDATE captures SET amount_minor = 1 WHERE booking_id = :paid"]),
    "money taken for a booking that ran out": (
        "I2",
        ["INSERT INTO captures (event_id, booking_id, amount_minor) VALUES (:event_id, :late, 4500)"],
    ),
    "a payment only the provider knows": ("I2", [NOBODYS_PAYMENT]),
    "a payment the provider does not know": ("I2", ["UPDATE payments SET intent_id = 'pi_x' WHERE booking_id = :paid"]),
    "a booking queued for an hour": (
        "I3",
        ["UPDATE bookings SET state = 'queued', queued_at = now() - interval '1 hour' WHERE id = :held"],
    ),
    "a booking that is gone": ("I3", ["DELETE FROM bookings WHERE event_id = :event_id AND state = 'unavailable'"]),
    "a hold that nobody ends": (
        "I3",
        [
            "UPDATE bookings SET hold_until = now() - interval '1 hour' WHERE id = :held",
            "UPDATE tickets SET held_until = now() - interval '1 hour' WHERE booking_id = :held",
        ],
    ),
    "a capture that never comes": ("I3", NEVER_CAPTURED),
    "two bookings of one key": ("I4", ["ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key", SAME_KEY]),
    "no constraint on keys": ("I4", ["ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key"]),
    "a booking overtaken": ("I5", [OVERTAKEN]),
    "a hold that no batch gave": ("I5", ["UPDATE bookings SET batch_snapshot = NULL WHERE id = :held"]),
    "tickets for a number not called yet": ("I5", BEFORE_THEIR_TURN),
    "a number called twice": ("I5", [CALLED_TWICE]),
    "a number never called": ("I5", ["UPDATE admission_log SET first = 9, last = 9 WHERE seq = 7"]),
    "a number called and not let in": ("I5", ["UPDATE admission_log SET admitted = 0 WHERE seq = 7"]),
    "a crowd let in at once": ("I6", [ALL_IN_ONE_MOMENT]),
    "people let in through a paused queue": ("I6", PAUSED),
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
    "a ticket kept for a booking that ran out": (
        "I7",
        ["UPDATE booking_tickets SET released_at = NULL WHERE booking_id = :late"],
    ),
    "a ticket let go while its booking lives": (
        "I7",
        ["UPDATE booking_tickets SET released_at = now() WHERE booking_id = :held"],
    ),
    "a ticket with another deadline than its booking": (
        "I7",
        ["UPDATE bookings SET hold_until = hold_until + interval '1 hour' WHERE id = :held"],
    ),
    "an amount that is not its tickets'": ("I8", ["UPDATE bookings SET amount_minor = 1 WHERE id = :held"]),
    "another currency": ("I8", ["UPDATE bookings SET currency = 'usd' WHERE id = :held"]),
    "a payment of another amount": ("I8", ["UPDATE payments SET amount_minor = 9999 WHERE booking_id = :paid"]),
    "a price that changed after the hold": (
        "I8",
        ["UPDATE sections SET price_minor = 1 WHERE event_id = :event_id"],
    ),
    "a ticket of another price": ("I8", ["UPDATE booking_tickets SET price_minor = 1 WHERE booking_id = :paid"]),
    "a buyer with too many": ("I9", ["UPDATE events SET tickets_per_buyer = 1", ONE_BUYER]),
    "an event nobody finds": ("I10", ["DELETE FROM search_documents WHERE event_id = :event_id"]),
    "an event found by its old name": ("I10", ["UPDATE events SET name = 'Other' WHERE id = :event_id"]),
    "a history that ends elsewhere": ("I12", [MOVE]),
    "a history with a move from elsewhere": (
        "I12",
        ["UPDATE booking_history SET to_state = 'waiting' WHERE booking_id = :paid AND from_state = 'new'"],
    ),
    "a booking without a history": ("I12", ["DELETE FROM booking_history WHERE booking_id = :held"]),
    "a history with a gap": (
        "I12",
        [
            "UPDATE booking_history SET version = 99 WHERE booking_id = :paid AND to_state = 'confirmed'",
            "UPDATE bookings SET version = 99 WHERE id = :paid",
        ],
    ),
    "a version that its history does not know": ("I12", ["UPDATE bookings SET version = 99 WHERE id = :held"]),
    "a move the database was taught": ("I12", ["INSERT INTO booking_moves VALUES ('expired', 'held')"]),
    "an illegal move": (
        "I12",
        ["DELETE FROM booking_moves WHERE from_state = 'committed' AND to_state = 'confirmed'"],
    ),
    "histories no longer kept": ("I12", ["ALTER TABLE bookings DISABLE TRIGGER booking_moved"]),
}
# What must be said of it, where another rule of the same invariant finds something too.
SAID = {
    "a ticket with two live sales": "is taken for 2 bookings",
    "two bookings of one key": "has 2 bookings with the key",
    "one admission, two holds": "was spent by 2 bookings",
    "a ticket held for a booking that ended": "which is confirmed",
    "a ticket held past its time": "is held although its time was over",
    "a move the database was taught": "the database allows the move from expired to held",
}
# What else is wrong by itself once this is.
ALSO = {
    "a ticket with two live sales": {"I2", "I8"},
    "a ticket sold for nobody's booking": {"I2", "I8"},
    "a sale of a free ticket": {"I2", "I10"},
    "a hold that nobody ends": {"I7"},
    "a ticket kept for a booking that ran out": {"I1"},
    "a ticket let go while its booking lives": {"I1"},
    "a booking queued for an hour": {"I7", "I12"},
    "a ticket held for a booking that ended": {"I2", "I10"},
    "a payment only the provider knows": {"I10"},
}


@pytest.mark.parametrize("what", list(DAMAGE))
def test_each_damage_breaks_its_invariant_and_no_other(sale: Sale, what: str) -> None:
    invariant, statements = DAMAGE[what]

    sale.damage(*statements)

    found = {finding.invariant: finding.examples for finding in sale.verified().findings if finding.ok is False}
    assert invariant in found
    assert SAID.get(what, "") in " ".join(found[invariant])
    assert set(found) <= {invariant} | ALSO.get(what, set())


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


def statements_of(sale: Sale) -> int:
    """How many statements it takes to verify it."""
    asked: list[str] = []

    def count(*told: Any) -> None:
        asked.append(told[2])

    event.listen(sale.shop.engine, "before_cursor_execute", count)
    sale.verified()
    event.remove(sale.shop.engine, "before_cursor_execute", count)
    return len(asked)


def test_checking_asks_no_more_for_more_bookings(sale: Sale) -> None:
    few = statements_of(sale)
    for number in range(100, 100 + STATEMENTS_MAX):
        a_booking(sale.engine, sale.event_id, Wish(quantity=1), number=number)

    assert len(RULES) < few <= STATEMENTS_MAX
    assert statements_of(sale) == few


@pytest.mark.parametrize(("lost", "counted"), [(COUNTED_MAX, COUNTED_MAX), (COUNTED_MAX + 1, COUNTED_MAX)])
def test_examples_are_few_and_no_rule_counts_for_ever(sale: Sale, lost: int, counted: int) -> None:
    sale.damage(f"""
        INSERT INTO booking_history (event_id, booking_id, version, from_state, to_state)
        SELECT :event_id, gen_random_uuid(), 1, 'new', 'queued' FROM generate_series(1, {lost})
    """)

    found = sale.finding("I3")

    assert (found.count, len(found.examples)) == (counted, EXAMPLES_MAX)


def test_a_hands_free_booking_that_is_left_lying_is_lost(sale: Sale) -> None:
    """Its number was called a minute and more ago, and no lane took it."""
    lying = a_booking(sale.engine, sale.event_id, Wish(quantity=1), number=5, state=BookingState.WAITING)
    sale.damage("UPDATE admission_log SET at = at - interval '2 minutes' WHERE event_id = :event_id")
    before = sale.finding("I3")

    run_sql(sale.engine, "UPDATE bookings SET created_at = now() - interval '2 minutes' WHERE id = :id", id=lying)

    assert before.ok
    assert sale.finding("I3").examples == (f"booking {lying} waits under number 5, which was reached",)


def test_a_hands_free_booking_of_a_closed_queue_is_lost(sale: Sale) -> None:
    lying = a_booking(sale.engine, sale.event_id, Wish(quantity=1), number=900, state=BookingState.WAITING)
    sale.damage("UPDATE sale_log SET at = at - interval '2 minutes' WHERE event_id = :event_id")
    run_sql(sale.engine, "UPDATE bookings SET created_at = now() - interval '2 minutes' WHERE id = :id", id=lying)
    before = sale.finding("I3")

    run_sql(sale.engine, "UPDATE queue_settings SET phase = 'closed' WHERE event_id = :id", id=sale.event_id)

    assert before.ok
    assert [str(lying) in example for example in sale.finding("I3").examples] == [True]


def test_who_is_queued_while_nothing_is_sold_is_not_lost(sale: Sale) -> None:
    waits = a_booking(sale.engine, sale.event_id, Wish(quantity=1), number=900)
    run_sql(sale.engine, "UPDATE bookings SET queued_at = now() - interval '2 minutes' WHERE id = :id", id=waits)
    before = sale.finding("I3")

    run_sql(sale.engine, "UPDATE queue_settings SET selling = false WHERE event_id = :id", id=sale.event_id)

    assert not before.ok
    assert sale.finding("I3").ok


def asked(sale: Sale, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
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
        **settings,
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


def test_money_that_could_not_be_checked_is_no_pass_unless_that_was_asked_for(sale: Sale) -> None:
    nowhere = f"http://{NOWHERE}"

    away = asked(sale, str(sale.event_id), ONSALE_STRIPE_API_BASE=nowhere)
    without = asked(sale, str(sale.event_id), "--without-ledger", ONSALE_STRIPE_API_BASE=nowhere)

    assert (away.returncode, without.returncode) == (1, 0)
    assert "I2   not checked" in away.stdout
    assert "the provider's ledger was not checked" in " ".join(away.stdout.split())
    assert "1 not checked." in without.stdout


def test_an_event_is_named_by_its_slug_too_and_a_wrong_use_is_another_exit_code(sale: Sale) -> None:
    with sale.engine.connect() as connection:
        slug = connection.execute(text("SELECT slug FROM events WHERE id = :id"), {"id": sale.event_id}).scalar_one()

    assert asked(sale, slug).returncode == 0
    assert asked(sale).returncode == 2
