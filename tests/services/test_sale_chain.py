"""The chained log of a sale: everything that was committed gets one line, whenever it commits, in batches that hold."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from onsale.db import chain_lines, locks, sale_chain, sale_log
from onsale.db.engine import transaction
from onsale.workers import chaining
from tests.builders import an_event, run_sql, until

COUNTS = """
    SELECT (SELECT count(*) FROM booking_history) AS move, (SELECT count(*) FROM captures) AS capture,
           (SELECT count(*) FROM admission_log) AS run, (SELECT count(*) FROM sale_log) AS log,
           (SELECT count(*) FROM refund_history) AS refund
"""


@pytest.fixture
def event_id(engine):
    return an_event(engine)


@pytest.fixture
def two_events(engine):
    return an_event(engine), an_event(engine)


def lines_of(engine, event_id):
    with engine.connect() as connection:
        return list(sale_chain.lines(connection, event_id, first=1, last=1_000_000))


def batches_of(engine, event_id):
    with engine.connect() as connection:
        return sale_chain.batches(connection, event_id, after=0, up_to=1_000_000)


def log_line(connection, event_id, word="word"):
    return sale_log.append(connection, event_id, actor="test", kind=word, body={})


def test_every_row_of_a_sale_gets_one_line(sale):
    chained = chaining.chain(sale.engine)

    lines = lines_of(sale.engine, sale.event_id)
    with sale.engine.connect() as connection:
        counts = dict(connection.execute(text(COUNTS)).mappings().one())
    assert chained == len(lines) == sum(counts.values()) > 30
    for source, count in counts.items():
        assert sum(each.row.source == source for each in lines) == count, source
    assert chaining.chain(sale.engine) == 0


def test_each_batch_is_hashed_with_the_one_before(sale):
    def in_small_batches():
        # What was written while somebody else's transaction runs waits for it, and PostgreSQL has some of its own.
        chaining.chain(sale.engine, lines_max=7)
        return len(batches_of(sale.engine, sale.event_id)) >= 5

    until(in_small_batches, "there are five batches")

    batches = batches_of(sale.engine, sale.event_id)
    previous, position = bytes(32), 1
    for batch in batches:
        with sale.engine.connect() as connection:
            text_of = [
                each.line for each in sale_chain.lines(connection, sale.event_id, first=batch.first, last=batch.last)
            ]
        hashed = hashlib.sha256(batch.head + b"\n" + "".join(line + "\n" for line in text_of).encode())
        assert (batch.previous, batch.first, batch.hash) == (previous, position, hashed.digest())
        previous, position = batch.hash, batch.last + 1
    assert position - 1 == len(lines_of(sale.engine, sale.event_id))


def test_what_commits_late_is_chained_later_and_nothing_is_passed_over(engine, two_events):
    first, second = two_events
    with engine.begin() as late:
        log_line(late, first, "late")
        with engine.begin() as early:
            log_line(early, second, "early")
        chaining.chain(engine)
        assert not any('"late"' in each.line for each in lines_of(engine, first))
        assert any('"early"' in each.line for each in lines_of(engine, second))
        closed = batches_of(engine, first)

    chaining.chain(engine)

    assert sum('"late"' in each.line for each in lines_of(engine, first)) == 1
    assert batches_of(engine, first)[: len(closed)] == closed


def test_pages_end_where_they_are_cut_and_go_on_there(engine, event_id):
    with engine.begin() as connection:
        for number in range(25):
            log_line(connection, event_id, f"word{number}")
    chained = [chaining.chain(engine, lines_max=10) for _ in range(2)]

    lines = [orjson.loads(each.line) for each in lines_of(engine, event_id)]
    assert sum(chained) == len(lines)
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))


def test_one_chains_at_a_time(engine, event_id):
    with engine.begin() as other:
        assert locks.try_alone(other, "sale_chain")

        assert chaining.chain(engine) == 0

    assert chaining.chain(engine) > 0


def test_a_record_that_was_restored_elsewhere_is_chained_on_and_nothing_twice(engine, event_id):
    chaining.chain(engine)
    before = lines_of(engine, event_id)
    # The ids of the transactions of another server begin anew: what is written next looks as if it had been seen.
    run_sql(engine, "UPDATE sale_chain_reader SET origin = 'another', seen = '9000000000:9000000000:'")
    with engine.begin() as connection:
        log_line(connection, event_id)

    assert chaining.chain(engine) == 1
    assert lines_of(engine, event_id)[:-1] == before


@pytest.mark.parametrize("table", ["sale_chain_lines", "sale_chain_batches", "refund_history"])
@pytest.mark.parametrize("how", ["UPDATE {} SET event_id = 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_is_chained_can_not_be_changed(engine, event_id, table, how):
    chaining.chain(engine)

    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.execute(text(how.format(table)))


def test_nothing_fits_into_a_closed_batch(engine, event_id):
    chaining.chain(engine)
    batch = batches_of(engine, event_id)[0]

    for position in range(batch.first, batch.last + 1):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(
                text("INSERT INTO sale_chain_lines VALUES (:event, :at, 'log', :id, 1, '{}')"),
                {"event": event_id, "at": position, "id": uuid4()},
            )


def test_nobody_is_named_in_a_line(sale):
    with transaction(sale.engine) as connection:
        buyer = connection.execute(text("SELECT buyer_id FROM bookings LIMIT 1")).scalar_one()
        body = {"note": f"asked by {buyer} <somebody@example.org>", "who": {"booking_id": str(sale.held)}}
        sale_log.append(connection, sale.event_id, actor=f"staff:{uuid4()}", kind="note", body=body)
    chaining.chain(sale.engine)

    everything = "".join(each.line for each in lines_of(sale.engine, sale.event_id))
    with sale.engine.connect() as connection:
        key = sale_chain.known_key(connection, sale.event_id)
        ids = connection.execute(text("SELECT id FROM bookings UNION SELECT buyer_id FROM bookings")).scalars().all()
    assert "@" not in everything
    assert not [each for each in ids if str(each) in everything]
    assert chain_lines.pseudonym(key, sale.held) in everything
    assert f"asked by {chain_lines.pseudonym(key, buyer)} <(address)>" in everything


def test_a_booking_whose_row_is_gone_ends_nobodys_log(sale):
    sale.damage("DELETE FROM bookings WHERE id = :held")

    assert chaining.chain(sale.engine) > 0

    assert sum('"unreadable":true' in each.line for each in lines_of(sale.engine, sale.event_id)) == 2
