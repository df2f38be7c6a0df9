"""Statements planned once per connection: they say the same as unplanned, and a lost plan costs a try, not a lane."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from onsale.db import lane, prepared, sql
from onsale.db.engine import make_engine, transaction
from onsale.db.wishes import Wish
from onsale.errors import RecordUnavailable
from tests.builders import a_booking, an_event

ARGUMENTS = {"limit": 10, "being_written": "{}"}


@pytest.fixture
def lanes(record_url):
    """One connection, so that what it has planned is there the next time."""
    engine = make_engine(record_url, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


@pytest.fixture
def said(lanes):
    """The first word of everything said to the server."""
    words = []
    event.listen(lanes, "before_cursor_execute", lambda _1, _2, statement, *_: words.append(statement.split()[0]))
    return words


def test_a_statement_is_planned_once_for_a_connection(engine, lanes, said):
    event_id = an_event(engine)

    for _ in range(3):
        with transaction(lanes) as connection:
            lane.read_batch(connection, event_id)

    assert said == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE"]


def test_a_planned_statement_finds_what_the_plain_one_finds(engine, lanes):
    event_id = an_event(engine)
    a_booking(engine, event_id, Wish(quantity=2), number=1)
    asked = ARGUMENTS | {"event_id": event_id}

    with transaction(lanes) as connection:
        planned = dict(prepared.execute(connection, "read_batch", asked).one()._mapping)
        plain = dict(connection.execute(sql.load("read_batch"), asked).one()._mapping)

    assert len(planned["bookings"]) == 1
    assert planned.pop("now") < plain.pop("now")
    assert planned == plain


def test_a_plan_that_was_rolled_back_with_its_transaction_is_still_there(engine, lanes, said):
    event_id = an_event(engine)

    with lanes.connect() as connection:
        lane.read_batch(connection, event_id)
        connection.rollback()
    with transaction(lanes) as connection:
        lane.read_batch(connection, event_id)

    assert said == ["PREPARE", "EXECUTE", "EXECUTE"]


@pytest.mark.parametrize("lost", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_a_lost_plan_is_busy_once_and_then_made_anew(engine, lanes, lost):
    """As behind a pooler that gives a transaction another server's connection."""
    event_id = an_event(engine)
    with transaction(lanes) as connection:
        lane.read_batch(connection, event_id)
    with lanes.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(lost)

    with pytest.raises(RecordUnavailable), transaction(lanes) as connection:
        lane.read_batch(connection, event_id)

    with transaction(lanes) as connection:
        assert lane.read_batch(connection, event_id).selling


def test_a_plan_that_somebody_else_made_under_the_same_name_is_busy_once(engine, lanes):
    event_id = an_event(engine)
    with transaction(lanes) as connection:
        lane.read_batch(connection, event_id)
        connection.info.clear()

    with pytest.raises(RecordUnavailable), transaction(lanes) as connection:
        lane.read_batch(connection, event_id)

    with transaction(lanes) as connection:
        assert lane.read_batch(connection, event_id).selling
