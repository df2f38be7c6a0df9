"""`onsale cancel-event`: asks, cancels once, and tells how the refunds get on until they are done."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from click.testing import CliRunner

from onsale.cli.cancel_event import cancel_event
from onsale.db import cancellations, refunds, sale_log, stats
from onsale.db.engine import reading
from onsale.db.refunds import Failing
from onsale.db.states import BookingState
from onsale.workers.cancellations import carry_on
from onsale.workers.refunds import settle
from tests.builders import booking, run_sql
from tests.services.refunding import a_paid_booking, ask


@pytest.fixture
def command(settings: dict[str, str], paying_shop: Any):
    """The command as it is typed, at the record of the shop."""
    env = {**settings, "ONSALE_DATABASE_URL": paying_shop.config.database_url}
    return lambda *words, **more: CliRunner().invoke(cancel_event, words, env=env, **more)


def test_it_cancels_refunds_everyone_and_tells_until_it_is_done(paying_shop, engine, command):
    booking_id = a_paid_booking(paying_shop)
    event_id = booking(engine, booking_id).event_id
    over = threading.Event()

    def sweeps() -> None:
        while not over.wait(0.1):
            carry_on(paying_shop, event_id, settled_seconds=0)
            settle(paying_shop, booking_id)

    thread = threading.Thread(target=sweeps)
    thread.start()
    try:
        told = command(str(event_id), "--reason", "The singer is ill.", "--yes")
    finally:
        over.set()
        thread.join()

    assert told.exit_code == 0, told.output
    assert "is cancelled. Nothing of it is sold any more." in told.output
    assert told.output.endswith("1 of 1 bookings refunded.\nDone.\n")
    assert booking(engine, booking_id).state is BookingState.REFUNDED
    with reading(engine) as connection:
        (line,) = [one for one in sale_log.read(connection, event_id) if one.kind == "event_cancelled"]
    assert line.actor.startswith("operator:")


def test_without_a_yes_nothing_happens(paying_shop, engine, command):
    event_id = booking(engine, a_paid_booking(paying_shop)).event_id

    told = command(str(event_id), "--reason", "No", input="n\n")

    assert told.exit_code == 1
    with reading(engine) as connection:
        assert [one for one in sale_log.read(connection, event_id) if one.kind == "event_cancelled"] == []


def test_a_second_time_it_only_tells(paying_shop, engine, command):
    event_id = booking(engine, a_paid_booking(paying_shop)).event_id
    command(str(event_id), "--reason", "First", "--yes", "--no-wait")

    told = command(str(event_id), "--reason", "Second", "--no-wait")

    assert "was cancelled on" in told.output
    with reading(engine) as connection:
        (line,) = [one for one in sale_log.read(connection, event_id) if one.kind == "event_cancelled"]
    assert line.body["reason"] == "First"


def test_a_second_time_it_wants_no_reason_and_no_terminal(paying_shop, engine, command):
    event_id = booking(engine, a_paid_booking(paying_shop)).event_id
    command(str(event_id), "--reason", "First", "--yes", "--no-wait")

    told = command(str(event_id), "--yes", "--no-wait", input="")

    assert told.exit_code == 0, told.output
    assert "Why" not in told.output
    assert "was cancelled on" in told.output


def test_a_reason_that_is_not_given_is_asked_for(paying_shop, engine, command):
    event_id = booking(engine, a_paid_booking(paying_shop)).event_id

    told = command(str(event_id), "--yes", "--no-wait", input="The singer is ill\n")

    with reading(engine) as connection:
        cancelled = cancellations.get(connection, event_id)
    assert told.exit_code == 0, told.output
    assert cancelled is not None
    assert cancelled.reason == "The singer is ill"


@pytest.mark.parametrize(
    ("words", "says"),
    [(("999", "--reason", "x", "--yes"), "There is no event '999'"), (("1", "--reason", " ", "--yes"), "--reason")],
)
def test_it_says_what_does_not_fit(command, words, says):
    told = command(*words)

    assert told.exit_code != 0
    assert says in told.output


def test_what_is_given_back_is_no_takings(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)
    event_id = booking(engine, booking_id).event_id
    with reading(engine) as connection:
        before = stats.sale_numbers(connection, event_id).takings_minor

    ask(paying_shop, booking_id)

    with reading(engine) as connection:
        assert (before, stats.sale_numbers(connection, event_id).takings_minor) == (9000, 0)


def test_refunds_that_the_bank_refuses_are_counted_and_those_it_is_not_asked_for_again(paying_shop, engine):
    ask(paying_shop, a_paid_booking(paying_shop))
    counted = []

    for state, attempt in (("sent", 1), ("failed", 1), ("failed", refunds.ATTEMPTS_MAX)):
        run_sql(engine, "UPDATE refunds SET state = :state, attempt = :attempt", state=state, attempt=attempt)
        with reading(engine) as connection:
            counted.append(refunds.failing(connection))

    assert counted == [Failing(0, 0), Failing(1, 0), Failing(1, 1)]
