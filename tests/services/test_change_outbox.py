"""The outbox of changes, on a PostgreSQL without logical decoding: every visible change once, whatever the order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import Connection, Engine, text

from onsale import cli
from onsale.cli.doctor import copies
from onsale.db import change_outbox, change_source, change_stream
from onsale.db.change_outbox import KEYS_MAX, LEASE_SECONDS, REMOVED_MAX, Outbox, OutboxState
from onsale.db.change_source import Changes
from onsale.db.engine import make_engine, migrate, reading
from onsale.db.pgoutput import Change, Commit, Kind
from onsale.errors import ChangesLost, ChangesNotSetUp, RecordUnavailable, SomebodyElseReads
from onsale.queue.followed import Followed
from onsale.queue.keys import CatalogueKeys
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.search.comparing import differences
from onsale.search.event_index import ALIAS, EventIndex
from onsale.web import metrics
from onsale.web.box_office import open_box_office
from onsale.workers.changes import Follower
from tests.builders import a_show, an_event, run_sql, until
from tests.conftest import started

ARTIST = "INSERT INTO artists (id, name) VALUES ({0}, 'Number {0}')"
MANY_ARTISTS = "INSERT INTO artists (name) SELECT 'Artist ' || n FROM generate_series({}, {}) AS n"
QUIET_SECONDS = 0.2
# Longer than somebody who is held up by nobody.
HELD_UP_SECONDS = 0.5
SECONDS_MAX = 30


class Plain(EmbeddedPostgres):
    """As many are hosted: no logical decoding."""

    def settings(self) -> dict[str, object]:
        return {**super().settings(), "wal_level": "replica"}


@pytest.fixture(scope="module")
def plain_server() -> Iterator[EmbeddedPostgres]:
    with started(Plain) as server:
        yield server


@pytest.fixture
def record_url(plain_server: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    template = plain_server.ensure_database("template_of_plain")
    migrate(template)
    name = f"plain_{abs(hash(request.node.nodeid))}"
    yield plain_server.ensure_database(name, template="template_of_plain")
    plain_server.drop_database(name)


@pytest.fixture
def engine(record_url: str) -> Iterator[Engine]:
    engine = make_engine(record_url)
    yield engine
    engine.dispose()


@pytest.fixture
def outbox(engine: Engine) -> Iterator[Outbox]:
    change_source.set_up(engine)
    with change_outbox.reading(engine) as outbox:
        yield outbox


def told(changes: Changes) -> list[tuple[str, int | None]]:
    """What is told now: table and key, in the order of names."""
    seen = changes.read(wait_seconds=QUIET_SECONDS)
    return sorted(
        (one.table, *(int(key) for key in one.row.values() if key)) for one in seen if isinstance(one, Change)
    )


def commit_of(changes: Changes) -> Commit:
    last = changes.read(wait_seconds=QUIET_SECONDS)[-1]
    assert isinstance(last, Commit)
    return last


def state(engine: Engine) -> OutboxState:
    with reading(engine) as connection:
        found = change_outbox.state(connection)
    assert found is not None
    return found


def origin(engine: Engine) -> str:
    with reading(engine) as connection:
        return change_source.origin(connection)


def at_once(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


# What is chosen, and undone.


@pytest.fixture
def onsale(settings: dict[str, str]) -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(cli.main, words, env=settings)


def test_a_server_without_logical_decoding_gets_the_outbox_and_hears_why(onsale, engine):
    said = onsale("changes", "setup")

    assert "heard by the outbox: wal_level is replica" in said.output
    assert "It was set up" in onsale("changes", "setup").output
    assert "0 rows are not done with, of 1,000,000" in onsale("changes", "status").output
    refused = onsale("changes", "setup", "--source", "slot")
    assert "set it to logical" in refused.output

    assert onsale("changes", "remove", "--yes").exit_code == 0
    assert "neither slot nor outbox" in onsale("changes", "status").output
    assert triggers(engine) == 0


def test_nothing_is_removed_while_somebody_follows(onsale, outbox):
    said = onsale("changes", "remove", "--yes")

    assert said.exit_code == 1
    assert "Stop `onsale changes run` first" in said.output


def test_where_it_is_not_chosen_nothing_is_written(engine):
    a_show(engine, "Nobody listens")

    assert triggers(engine) == 0
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM change_outbox")) == 0


def test_a_trigger_that_is_missing_is_made_and_everything_anew(engine, outbox):
    before = origin(engine)
    run_sql(engine, "DROP TRIGGER onsale_outbox_update ON events")

    assert change_source.set_up(engine).made

    assert origin(engine) != before
    with pytest.raises(SomebodyElseReads):
        outbox.read(wait_seconds=0)


def test_setting_up_waits_for_whoever_has_changed_something_already(engine):
    """No trigger has seen that change; the first position must."""
    a_show(engine, "Before")
    with engine.connect() as connection:
        connection.execute(text("UPDATE events SET name = 'Without a trigger'"))
        setting_up = at_once(lambda: change_source.set_up(engine))
        setting_up.join(HELD_UP_SECONDS)
        assert setting_up.is_alive()
        connection.commit()
    setting_up.join(SECONDS_MAX)

    with change_outbox.reading(engine) as outbox:
        assert told(outbox) == []


def triggers(engine: Engine) -> int:
    with reading(engine) as connection:
        found: int = connection.scalar(text("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'onsale%'"))
    return found


# What is told.


def test_inserts_updates_and_deletes_are_told_by_their_keys(engine, outbox):
    run_sql(engine, ARTIST.format(7))
    assert told(outbox) == [("artists", 7)]

    run_sql(engine, "UPDATE artists SET name = 'Another'")
    assert told(outbox) == [("artists", 7)]

    run_sql(engine, "DELETE FROM artists")
    assert told(outbox) == [("artists", 7)]
    assert told(outbox) == []


def test_every_table_of_the_publication_is_told(engine, outbox):
    an_event(engine)
    a_show(engine, "With a band")

    assert {table for table, *_ in told(outbox)} == set(change_stream.TABLES)


def test_a_changed_key_is_told_as_the_old_one_and_the_new(engine, outbox):
    run_sql(engine, ARTIST.format(7))
    told(outbox)

    run_sql(engine, "UPDATE artists SET id = 8 WHERE id = 7")

    assert told(outbox) == [("artists", 7), ("artists", 8)]


@pytest.mark.parametrize("change", ["TRUNCATE event_artists", MANY_ARTISTS.format(1, 10_001)])
def test_a_truncated_table_and_too_much_at_once_are_told_as_everything(engine, outbox, change):
    a_show(engine, "Something")
    told(outbox)

    run_sql(engine, change)

    assert [one.kind for one in outbox.read(wait_seconds=QUIET_SECONDS) if isinstance(one, Change)] == [Kind.TRUNCATE]


def test_more_keys_than_are_told_one_by_one_are_everything(engine, outbox):
    for first in range(0, KEYS_MAX + 1, 10_000):
        run_sql(engine, MANY_ARTISTS.format(first + 1, first + 10_000))

    assert [one.kind for one in outbox.read(wait_seconds=QUIET_SECONDS) if isinstance(one, Change)] == [Kind.TRUNCATE]


def test_what_was_rolled_back_is_not_told_and_a_savepoint_is(engine, outbox):
    with engine.connect() as connection:
        connection.execute(text(ARTIST.format(1)))
        with connection.begin_nested() as inner:
            connection.execute(text(ARTIST.format(2)))
            inner.rollback()
        with connection.begin_nested():
            connection.execute(text(ARTIST.format(3)))
        connection.commit()

    assert told(outbox) == [("artists", 1), ("artists", 3)]


# The order of commits.


def two_that_commit_the_other_way_round(engine: Engine, look: Callable[[], object]) -> None:
    """The first to write is the last to commit; `look` is called between the two."""
    with engine.connect() as first:
        first.execute(text(ARTIST.format(1)))
        run_sql(engine, ARTIST.format(2))
        look()
        first.commit()


def test_the_first_to_write_and_last_to_commit_is_told_and_nobody_waits_for_it(engine, outbox):
    seen: list[tuple[str, int | None]] = []

    two_that_commit_the_other_way_round(engine, lambda: seen.extend(told(outbox)))

    assert seen == [("artists", 2)]
    assert told(outbox) == [("artists", 1)]


def test_reading_by_ids_alone_loses_it(engine, outbox):
    """The negative control: a sequence is no order of commits."""
    last, seen = 0, []

    def by_ids() -> None:
        nonlocal last
        with reading(engine) as connection:
            for row in connection.execute(text("SELECT id, key FROM change_outbox WHERE id > :id"), {"id": last}):
                last = max(last, row.id)
                seen.append(row.key)

    two_that_commit_the_other_way_round(engine, by_ids)
    by_ids()

    assert seen == [2]


def test_each_stamp_is_past_every_place_that_was_vouched_for_before(engine, outbox):
    """A commit may be in the log and not visible yet: a copy that is read then has the end of the log as its stamp."""
    run_sql(engine, ARTIST.format(1))
    with reading(engine) as connection:
        # Writes nothing, so the log may end there still when the outbox is looked at.
        vouched = connection.scalar(text("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"))

    first = commit_of(outbox).end_lsn
    assert first > vouched
    run_sql(engine, ARTIST.format(2))
    with reading(engine) as connection:
        assert commit_of(outbox).end_lsn > first
        assert change_stream.end_of_log(connection) >= first


# Done, and again.


def test_what_was_not_confirmed_comes_again_and_what_was_is_removed(engine):
    change_source.set_up(engine)
    run_sql(engine, ARTIST.format(1))
    with change_outbox.reading(engine) as outbox:
        assert told(outbox) == [("artists", 1)]
    run_sql(engine, ARTIST.format(2))
    with change_outbox.reading(engine) as outbox:
        done = commit_of(outbox)
        run_sql(engine, ARTIST.format(3))
        assert told(outbox) == [("artists", 3)]
        outbox.confirm(done.end_lsn)
        with reading(engine) as connection:
            assert change_source.followed_up_to(connection) == done.end_lsn
    assert state(engine).rows == 1

    with change_outbox.reading(engine) as outbox:
        assert told(outbox) == [("artists", 3)]


def test_rows_are_removed_a_bounded_number_at_a_time(engine, outbox):
    for first in range(0, 3 * REMOVED_MAX, REMOVED_MAX):
        run_sql(engine, MANY_ARTISTS.format(first + 1, first + REMOVED_MAX))
    outbox.confirm(commit_of(outbox).end_lsn)
    assert state(engine).rows == 2 * REMOVED_MAX

    until(lambda: outbox.read(wait_seconds=0) == [] and state(engine).rows == 0, "the rest is removed")


def test_one_reads_at_a_time_and_whoever_lost_the_lease_hears_of_it(engine, outbox):
    with pytest.raises(SomebodyElseReads), change_outbox.reading(engine):
        pass
    run_sql(engine, ARTIST.format(1))
    done = commit_of(outbox)

    run_sql(engine, f"UPDATE change_outbox_position SET reader_until = reader_until - {LEASE_SECONDS} * interval '1 s'")

    with change_outbox.reading(engine) as another:
        with pytest.raises(SomebodyElseReads):
            outbox.read(wait_seconds=0)
        with pytest.raises(SomebodyElseReads):
            outbox.confirm(done.end_lsn)
        assert told(another) == [("artists", 1)]


def test_without_being_set_up_nobody_reads(engine):
    with pytest.raises(ChangesNotSetUp), change_outbox.reading(engine):
        pass


# What nobody knows any more.


def test_of_another_server_or_time_nothing_is_told_and_the_copies_are_made_anew(engine):
    change_source.set_up(engine)
    run_sql(engine, ARTIST.format(1))
    run_sql(engine, "UPDATE change_outbox_position SET origin = 'another/00000001/outbox'")
    before = origin(engine)

    with change_outbox.reading(engine) as outbox:
        assert origin(engine) != before
        assert told(outbox) == []
        run_sql(engine, ARTIST.format(2))
        assert told(outbox) == [("artists", 2)]


def limit_to(engine: Engine, rows: int) -> None:
    run_sql(engine, f"UPDATE change_outbox_position SET rows_max = {rows}")


def test_a_full_outbox_takes_no_more_and_is_begun_anew(engine, outbox):
    before = origin(engine)
    limit_to(engine, 2)
    for number in (1, 2, 3):
        run_sql(engine, ARTIST.format(number))
    assert state(engine).rows == 2
    assert state(engine).is_full

    with pytest.raises(ChangesLost):
        outbox.read(wait_seconds=0)
    outbox.close()

    with change_outbox.reading(engine) as again:
        assert origin(engine) != before
        run_sql(engine, ARTIST.format(4))
        assert told(again) == [("artists", 4)]


def test_no_room_is_made_before_who_found_none_has_ended(engine, outbox):
    """Else the outbox would look as if it had never been full, and the change of that one were lost."""
    limit_to(engine, 2)
    run_sql(engine, ARTIST.format(1))
    done = commit_of(outbox)
    run_sql(engine, ARTIST.format(2))
    raised: list[BaseException] = []

    def confirm() -> None:
        try:
            outbox.confirm(done.end_lsn)
        except (ChangesLost, RecordUnavailable) as error:
            raised.append(error)

    with engine.connect() as found_it_full:
        found_it_full.execute(text(ARTIST.format(3)))
        confirming = at_once(confirm)
        confirming.join(HELD_UP_SECONDS)
        assert confirming.is_alive()
        found_it_full.commit()
    confirming.join(SECONDS_MAX)

    assert [type(each) for each in raised] == [ChangesLost]


def test_beginning_anew_waits_for_who_found_it_full(engine, outbox):
    limit_to(engine, 1)
    run_sql(engine, ARTIST.format(1))
    outbox.close()
    with engine.connect() as found_it_full:
        found_it_full.execute(text(ARTIST.format(2)))
        with pytest.raises(RecordUnavailable), change_outbox.reading(engine):
            pass
        found_it_full.commit()

    with change_outbox.reading(engine) as again:
        # The first position sees it: whoever makes the copies anew reads it.
        assert told(again) == []


# What is said of it.


def test_metrics_and_doctor_say_how_many_wait_and_whether_somebody_reads(config, engine, outbox):
    run_sql(engine, ARTIST.format(1))
    limit_to(engine, 5)

    with closing(open_box_office(config)) as office:
        written = metrics.written(office).decode()
    grown = dict(copies.examine(config))["stream"]
    outbox.close()
    left = dict(copies.examine(config))["stream"]

    assert "onsale_changes_outbox_rows 1.0" in written
    assert "onsale_changes_followed 1.0" in written
    assert "The outbox grows: 1 rows wait" in grown.saw
    assert "Nobody follows" in left.saw


# The whole.


@pytest.fixture
def index(elasticsearch_server) -> Iterator[EventIndex]:
    with EventIndex(elasticsearch_server.url()) as index:
        yield index
        for name in index.written_to():
            index.delete(name)


def test_a_follower_sets_it_up_by_itself_and_keeps_index_and_caches_fresh(engine, index, redis_client: Redis):
    event_id = a_show(engine, "Before")
    stop = threading.Event()
    following = threading.Thread(target=Follower(engine, index, Followed(redis_client)).run, args=(stop,))
    following.start()
    try:
        until(
            lambda: index.named(ALIAS) and not differences(engine, index, ALIAS, agree_seconds=0),
            "an index is made",
            seconds=60,
        )
        until(lambda: redis_client.exists(CatalogueKeys.followed), "the caches are vouched for")
        first = redis_client.get(CatalogueKeys.followed).split()[0]

        run_sql(engine, "UPDATE events SET name = 'After'")

        until(lambda: index.get(ALIAS, [event_id])[event_id]["name"] == "After", "the change is indexed")
        until(lambda: redis_client.hget(CatalogueKeys.slot("event", event_id), "floor"), "the caches are told")
        until(lambda: state(engine).rows == 0, "the outbox is emptied")

        limit_to(engine, 1)
        run_sql(engine, "UPDATE events SET name = 'While it was full'")

        until(
            lambda: index.get(ALIAS, [event_id])[event_id]["name"] == "While it was full",
            "the index is made anew",
            seconds=60,
        )
        until(lambda: redis_client.exists(CatalogueKeys.followed), "the caches are vouched for again")
        assert redis_client.get(CatalogueKeys.followed).split()[0] != first
    finally:
        stop.set()
        following.join(SECONDS_MAX)


def test_a_user_that_may_not_replicate_has_no_slot(postgres_server, migrated_template):
    engine = make_engine(postgres_server.ensure_database(migrated_template))

    def lacks(connection: Connection, role: str) -> str:
        connection.execute(text(f"SET ROLE {role}"))
        return change_source.lacks(connection)

    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE plain_user; CREATE ROLE replicating REPLICATION"))
        assert "may not replicate" in lacks(connection, "plain_user")
        connection.execute(text("RESET ROLE"))
        assert "may not make a publication" in lacks(connection, "replicating")
        connection.rollback()
        assert change_source.lacks(connection) == ""
    engine.dispose()
