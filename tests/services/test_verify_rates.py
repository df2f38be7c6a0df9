"""`onsale verify` holds admissions to the rate that was in force, also where checkout or a ramp held it down (I6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from onsale.db import journal, rate_control, sale_log
from onsale.db.engine import transaction
from onsale.db.journal import Admission
from tests.services.small_sale import PER_MINUTE, Sale

HELD_AT = 60
HELD_SECONDS = 60
OTHER_RATE = "UPDATE rate_steps SET per_minute = 600000 WHERE event_id = :event_id"
NO_LINE = "DELETE FROM rate_steps WHERE event_id = :event_id AND version = 2"
NO_FIRST_LINE = "DELETE FROM rate_steps WHERE event_id = :event_id AND version = 1"
NOBODY_DID = "UPDATE sale_log SET kind = 'other' WHERE event_id = :event_id AND kind = 'rate_control_changed'"
BACKWARDS = "UPDATE rate_steps SET at = at + interval '1 hour' WHERE event_id = :event_id AND version = 1"


@pytest.fixture
def held(sale: Sale) -> Sale:
    """A small sale whose rate was then held down for a minute, and let go."""
    with transaction(sale.engine) as connection:
        sale_log.append(connection, sale.event_id, actor="staff:1", kind="rate_control_changed", body={})
        before = rate_control.hold(connection, sale.event_id)
        down = replace(before, auto=True, per_minute=HELD_AT, because="payments_slow")
        down = rate_control.put(connection, before, down, ceiling=PER_MINUTE)
        rate_control.put(connection, down, replace(down, per_minute=None, because=""), ceiling=PER_MINUTE)
    sale.damage(
        f"UPDATE rate_steps SET at = at + interval '{HELD_SECONDS} seconds' WHERE version = 2",
    )
    return sale


def let_in(sale: Sale, *, a_second: int, after_seconds: float) -> None:
    """Admissions each second for half a minute, so long after the rate was held down."""
    with transaction(sale.engine) as connection:
        began: datetime = rate_control.steps(
            connection, sale.event_id, since=datetime.now().astimezone() - timedelta(days=1), limit=9
        )[0].at
        first = began + timedelta(seconds=after_seconds)
        runs = [
            Admission(8 + n, first + timedelta(seconds=n), 8 + a_second * n, 7 + a_second * (n + 1), 0, 0, a_second)
            for n in range(30)
        ]
        journal.record_admissions(connection, sale.event_id, runs)


def test_a_rate_that_was_obeyed_while_it_was_held_down_holds(held: Sale) -> None:
    let_in(held, a_second=1, after_seconds=11)

    assert held.finding("I6").ok


def test_people_let_in_at_the_rate_set_while_it_was_held_down_are_seen(held: Sale) -> None:
    let_in(held, a_second=50, after_seconds=11)

    found = held.finding("I6")

    assert found.ok is False
    assert "the rate allowed" in found.examples[0]


def test_the_same_people_without_anything_that_held_the_rate_down_are_none_too_many(held: Sale) -> None:
    let_in(held, a_second=50, after_seconds=HELD_SECONDS + 11)

    assert held.finding("I6").ok


@pytest.mark.parametrize("damage", [OTHER_RATE, NO_LINE, NO_FIRST_LINE, NOBODY_DID, BACKWARDS])
def test_a_log_of_rates_that_was_tampered_with_is_seen(held: Sale, damage: str) -> None:
    before = held.finding("I6").ok

    held.damage(damage)

    assert (before, held.finding("I6").ok) == (True, False)
