"""Leases that name their taker: given back as soon as it is gone, and not before."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from onsale.db import charges
from onsale.db.claimant import Claimant
from onsale.db.engine import transaction
from onsale.db.wishes import Wish
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, an_event, until


@pytest.fixture
def claimant(record_url: str) -> Iterator[Claimant]:
    one = Claimant(record_url)
    yield one
    one.close()


@pytest.fixture
def held(shop, engine):
    event_id = an_event(engine)
    booking_id = a_booking(engine, event_id, Wish(quantity=1), number=1)
    work_lane(shop, event_id, last_look=True)
    return booking_id


def claimed(engine, booking_id, number: int | None) -> None:
    with transaction(engine) as connection:
        assert charges.claim(connection, booking_id, claimant=number)


def forsaken(engine):
    with transaction(engine) as connection:
        return charges.forsaken(connection)


def test_a_lease_is_its_takers_while_the_taker_is_there(engine, held, claimant):
    claimed(engine, held, claimant.number())

    assert forsaken(engine) == ()


def test_a_lease_whose_taker_is_gone_is_given_back_once(engine, held, claimant, record_url):
    other = Claimant(record_url)
    claimed(engine, held, other.number())
    claimant.number()
    other.close()

    until(lambda: forsaken(engine) == (held,), "the server has noticed")

    assert forsaken(engine) == ()
    claimed(engine, held, claimant.number())


def test_a_killed_process_forsakes_its_leases(engine, held, record_url):
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_claim_and_stay, args=(record_url, held, there))
    process.start()
    assert here.recv() == "claimed"
    before = forsaken(engine)

    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()

    assert before == ()
    until(lambda: forsaken(engine) == (held,), "its lease is given back")


def _claim_and_stay(record_url, booking_id, told) -> None:
    claimant = Claimant(record_url)
    claimed(claimant.engine, booking_id, claimant.number())
    told.send("claimed")
    signal.pause()


def test_a_claimant_whose_connection_was_cut_is_there_again_with_its_next_lease(engine, held, claimant):
    number = claimant.number()
    with engine.begin() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'onsale-claimant'")
        )

    claimed(engine, held, claimant.number())

    assert claimant.number() != number
    assert forsaken(engine) == ()


def test_a_lease_without_a_claimant_runs_out_by_itself_alone(engine, held):
    claimed(engine, held, None)

    assert forsaken(engine) == ()


def test_a_lease_on_what_a_booking_left_with_the_bank_is_found_too(engine, held, record_url):
    """Ended, it is no longer among those that wait to be paid."""
    with transaction(engine) as connection:
        charges.intent_created(
            connection,
            held,
            intent_id="pi_1",
            client_secret="s",
            status="requires_capture",
            amount_minor=1,
            currency="EUR",
        )
        connection.execute(
            text("UPDATE bookings SET state = 'expired', version = version + 1, ended_at = now() WHERE id = :id"),
            {"id": held},
        )
    other = Claimant(record_url)
    claimed(engine, held, other.number())

    other.close()

    until(lambda: forsaken(engine) == (held,), "its lease is given back")
