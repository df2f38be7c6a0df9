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
STATEMENTS_MAX = 50


def test_a_sale_that_went_well_holds(sale: Sale) -> None:
    verdict = sale.verified()

    assert {finding.invariant: finding.examples for finding in verdict.findings if not finding.ok} == {}
    assert verdict.ok
    assert len(verdict.findings) == 12
    assert (verdict.numbers["sold"], verdict.numbers["captured"], verdict.numbers["captured_minor"]) == (4, 4, 18_000)


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
