"""A slot whose log the server has thrown away, and an index of another log: noticed, told, and made anew by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy
from redis import Redis
from sqlalchemy import Engine, text

from onsale.cli.changes import slot_words
from onsale.db import change_source, change_stream, locks
from onsale.db.change_source import Source
from onsale.db.change_stream import Kept, Slot
from onsale.db.engine import make_engine, migrate, reading, transaction
from onsale.queue.followed import Followed
from onsale.queue.keys import CatalogueKeys
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.search.comparing import differences
from onsale.search.event_index import ALIAS, NEXT, EventIndex
from onsale.workers.changes import REBUILD_AGAIN_SECONDS, Follower, Indexing
from tests.builders import a_show, run_sql, until
from tests.conftest import NOWHERE
from tests.fleeting import fleeting_folder

SEGMENTS = 6
SECONDS_MAX = 30
FEW_BYTES = 100_000


class Miserly(EmbeddedPostgres):
    """Keeps next to no log for a reader that stays away."""

    def settings(self) -> dict[str, object]:
        return {**super().settings(), "max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}


@pytest.fixture
def record() -> Iterator[Engine]:
    with fleeting_folder() as folder:
        server = Miserly(folder / "postgres", durable=False)
        server.start()
        try:
            url = server.ensure_database("onsale")
            migrate(url)
            engine = make_engine(url)
            yield engine
            engine.dispose()
        finally:
            server.discard()


@pytest.fixture
def index(elasticsearch_server) -> Iterator[EventIndex]:
    with EventIndex(elasticsearch_server.url()) as index:
        yield index
        for name in index.written_to():
            index.delete(name)


@contextmanager
def following(engine: Engine, index: EventIndex | None, client: Redis) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Follower(engine, index, Followed(client)).run, args=(stop,))
    thread.start()
    try:
        until(lambda: client.exists(CatalogueKeys.followed), "the change stream is followed")
        yield
    finally:
        stop.set()
        thread.join(30)


def equal(engine: Engine, index: EventIndex) -> bool:
    return bool(index.named(ALIAS)) and not differences(engine, index, ALIAS, agree_seconds=0)


def lose_the_slot(engine: Engine) -> None:
    """Write more than the server keeps; a checkpoint throws the rest away."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for _ in range(SEGMENTS):
            connection.execute(text("SELECT pg_logical_emit_message(true, 'test', '')"))
            connection.execute(text("SELECT pg_switch_wal()"))
        connection.execute(text("CHECKPOINT"))


def slot_of(engine: Engine) -> Slot | None:
    with reading(engine) as connection:
        return change_stream.slot(connection)


def test_a_lost_slot_is_made_anew_and_so_is_the_index(record, index, redis_client):
    event_id = a_show(record, "Before")
    with following(record, index, redis_client):
        until(lambda: equal(record, index), "the first index is made")
    (first,) = index.named(ALIAS)
    run_sql(record, "UPDATE events SET name = 'While nobody followed'")
    lose_the_slot(record)
    lost = slot_of(record)
    assert lost is not None
    assert lost.kept is Kept.LOST
    assert "is lost" in slot_words(lost)

    with following(record, index, redis_client):
        until(lambda: equal(record, index), "the index is made anew")

    assert index.named(ALIAS) != [first]
    assert index.get(ALIAS, [event_id])[event_id]["name"] == "While nobody followed"
    assert slot_of(record).kept is Kept.RESERVED


def test_an_index_of_another_log_is_made_anew(engine, slot, index, redis_client):
    """Another server or timeline is another origin; its positions say nothing about this one's."""
    event_id = a_show(engine, "Now")
    index.create("onsale-events-of-before", alias=ALIAS, origin="another server/00000007/slot 0")
    # By a position that this log will not reach: a follower could never write it over.
    index.write("onsale-events-of-before", {event_id: {"event_id": event_id, "name": "Then"}}, version=2**62)

    with following(engine, index, redis_client):
        until(lambda: equal(engine, index), "the index is made anew")

    assert index.named(ALIAS) != ["onsale-events-of-before"]


def test_what_a_rebuild_from_another_log_has_left_is_not_gone_on_with(engine, slot, index, redis_client):
    a_show(engine, "Now")
    index.create("onsale-events-half", alias=NEXT, origin="another server/00000007/slot 0")
    index.write("onsale-events-half", {999: {"event_id": 999, "name": "Then"}}, version=2**62)

    with following(engine, index, redis_client):
        until(lambda: equal(engine, index), "the index is made")

    assert "onsale-events-half" not in index.written_to()


def test_another_slot_is_another_origin_and_the_same_one_is_not(engine, slot):
    def origin() -> str:
        with reading(engine) as connection:
            return change_stream.origin(connection)

    before = origin()
    assert origin() == before

    with sqlalchemy.create_engine(engine.url, isolation_level="AUTOCOMMIT").connect() as connection:
        change_stream.tear_down(connection)
        change_stream.set_up(connection)

    assert origin() != before


@contextmanager
def renaming(engine: Engine) -> Iterator[None]:
    """Somebody changes events all the time."""
    stop = threading.Event()

    def rename() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            run_sql(engine, f"UPDATE events SET name = 'Name {number}'")

    thread = threading.Thread(target=rename)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(SECONDS_MAX)


def test_switching_from_one_source_to_the_other_and_back_loses_nothing(engine, index, redis_client):
    def is_of_this_source() -> bool:
        with reading(engine) as connection:
            return index.origin(ALIAS) == change_source.origin(connection)

    for number in range(3):
        a_show(engine, f"Show {number}")
    change_source.set_up(engine, Source.SLOT)
    try:
        with following(engine, index, redis_client):
            until(lambda: equal(engine, index), "the first index is made", seconds=60)
            for source in (Source.OUTBOX, Source.SLOT):
                with renaming(engine):
                    assert change_source.set_up(engine, source).made
                    until(lambda: redis_client.exists(CatalogueKeys.followed), "it is followed")
                until(is_of_this_source, f"the {source} has an index of its own", seconds=60)
                until(lambda: equal(engine, index), "nothing is missing", seconds=60)
    finally:
        change_source.tear_down(engine)


def test_caches_forget_everything_when_the_stream_is_begun_anew(engine, slot, redis_client):
    with following(engine, None, redis_client):
        first = redis_client.get(CatalogueKeys.followed).split()[0]
    redis_client.delete(CatalogueKeys.followed)
    with following(engine, None, redis_client):
        second = redis_client.get(CatalogueKeys.followed).split()[0]

    assert first != second


def test_an_index_that_is_away_holds_up_no_cache_and_is_told_later(engine, slot, index, redis_client):
    event_id = a_show(engine, "Before")
    stream_is_at = CatalogueKeys.slot("event", event_id)
    with EventIndex(f"http://{NOWHERE}") as away, following(engine, away, redis_client):
        run_sql(engine, "UPDATE events SET name = 'After'")
        until(lambda: redis_client.hget(stream_is_at, "floor"), "the caches are told")
        until(lambda: redis_client.exists(CatalogueKeys.followed), "the caches are vouched for")
        assert slot_of(engine).behind_bytes > 0

    with following(engine, index, redis_client):
        until(lambda: equal(engine, index), "the index is told")
    assert index.get(ALIAS, [event_id])[event_id]["name"] == "After"


def test_a_rebuild_that_was_not_to_be_is_tried_again(engine, slot, index, redis_client):
    """As when it did not equal the record, or another process was at it."""
    a_show(engine, "Now")
    now = [0.0]
    indexing = Indexing(engine, index, clock=lambda: now[0])
    with reading(engine) as connection:
        indexing.begin_anew(change_stream.origin(connection))
    with transaction(engine) as connection:
        assert locks.try_alone(connection, "rebuild")
        indexing.write_if_due()
        indexing._rebuilding.join(SECONDS_MAX)
        assert index.named(ALIAS) == []

    indexing.write_if_due()
    assert index.named(ALIAS) == []
    now[0] += REBUILD_AGAIN_SECONDS
    indexing.write_if_due()

    until(lambda: equal(engine, index), "another rebuild makes it")


def test_a_sale_is_confirmed_too_although_it_changes_no_copy(engine, slot, redis_client):
    """Else the server would keep the log of every booking until somebody changes a show."""
    with following(engine, None, redis_client):
        run_sql(engine, "CREATE TABLE notes AS SELECT repeat('x', 100) FROM generate_series(1, 50000)")
        until(lambda: slot_of(engine).behind_bytes < FEW_BYTES, "the log is confirmed")


@pytest.mark.parametrize(
    ("kept", "keep_bytes_max", "words"),
    [
        (Kept.RESERVED, 1 << 30, ""),
        (Kept.EXTENDED, 1 << 30, ""),
        (Kept.RESERVED, None, "max_slot_wal_keep_size is -1"),
        (Kept.UNRESERVED, 1 << 30, "about to be lost"),
        (Kept.LOST, None, "is lost"),
    ],
)
def test_what_is_said_of_a_slot(kept, keep_bytes_max, words):
    said = slot_words(Slot(kept, True, 0, keep_bytes_max))

    assert (words in said) if words else not said


@pytest.fixture
def paired(paired_record_url: str) -> Iterator[Engine]:
    """A record on a pair; a database with a slot could not be dropped."""
    engine = make_engine(paired_record_url)
    yield engine
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        change_stream.tear_down(connection)
    engine.dispose()


def test_after_a_failover_slot_and_caches_are_those_of_the_new_primary(pair, paired, redis_client):
    event_id = a_show(paired, "Before")

    def origin() -> str:
        with reading(paired) as connection:
            return change_stream.origin(connection)

    def generation() -> bytes:
        return (redis_client.get(CatalogueKeys.followed) or b"").partition(b" ")[0]

    with following(paired, None, redis_client):
        before, first = origin().split("/"), generation()

        pair.failover()

        until(lambda: generation() not in (b"", first), "the new primary is followed", seconds=60)
        after = origin().split("/")
        run_sql(paired, "UPDATE events SET name = 'After'")
        floor = CatalogueKeys.slot("event", event_id)
        until(lambda: redis_client.hget(floor, "floor"), "its changes are told")

    # The same cluster, on another timeline, from another slot on.
    assert before[0] == after[0]
    assert before[1] < after[1]
    assert before[2] != after[2]
