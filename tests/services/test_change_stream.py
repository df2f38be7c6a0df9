"""The change stream of a real PostgreSQL: every change once, in commit order, and again until it is confirmed."""

from __future__ import annotations

import pytest
from sqlalchemy import NullPool, create_engine

from onsale.db import change_stream
from onsale.db.change_stream import ChangeStream
from onsale.db.pgoutput import Change, Commit, Kind
from onsale.errors import ChangesNotSetUp, RecordUnavailable, SomebodyElseReads
from tests.builders import run_sql

VENUE = "INSERT INTO venues VALUES (7, 'Musikverein', 'Wien', 'AT', 'Wien', 48.2, 16.37, 1744)"
# Long enough for a crowded machine; a test that passes never waits so long.
QUIET_SECONDS = 0.5
READS_MAX = 2_000


def drained(stream: ChangeStream) -> list[Change | Commit]:
    """Everything until it is quiet."""
    seen: list[Change | Commit] = []
    for _ in range(READS_MAX):
        came = stream.read(wait_seconds=QUIET_SECONDS)
        if not came and seen:
            return seen
        seen += came
    return seen


def rows(seen: list[Change | Commit]) -> list[tuple[str, str]]:
    return [(change.table, change.kind) for change in seen if isinstance(change, Change)]


def test_inserts_updates_and_deletes_come_with_their_values_and_the_commit_behind(engine, slot):
    with change_stream.reading(engine) as stream:
        run_sql(engine, VENUE)
        run_sql(engine, "UPDATE venues SET city = 'Vienna' WHERE id = 7")
        run_sql(engine, "DELETE FROM venues WHERE id = 7")

        seen = drained(stream)

    changes = [change for change in seen if isinstance(change, Change)]
    assert [type(each) for each in seen] == [Change, Commit] * 3
    assert [change.kind for change in changes] == [Kind.INSERT, Kind.UPDATE, Kind.DELETE]
    assert changes[1].row["city"] == "Vienna"
    assert changes[2].row["id"] == "7"
    commits = [each for each in seen if isinstance(each, Commit)]
    assert commits == sorted(commits, key=lambda commit: commit.end_lsn)
    assert all(commit.end_lsn > commit.lsn for commit in commits)


def test_a_changed_key_is_the_old_row_gone_and_the_new_one_there(engine, slot):
    run_sql(engine, VENUE)
    with change_stream.reading(engine) as stream:
        run_sql(engine, "UPDATE venues SET id = 8 WHERE id = 7")

        changes = [change for change in drained(stream) if isinstance(change, Change)][1:]

    assert [(change.kind, change.row["id"]) for change in changes] == [(Kind.DELETE, "7"), (Kind.UPDATE, "8")]


def test_what_no_document_is_made_of_and_what_was_rolled_back_does_not_come(engine, slot):
    with change_stream.reading(engine) as stream:
        run_sql(engine, "CREATE TABLE notes (words text); INSERT INTO notes VALUES ('Nobody searches for it')")
        with engine.connect() as connection:
            connection.exec_driver_sql(VENUE)
            connection.rollback()
        run_sql(engine, VENUE)

        assert rows(drained(stream)) == [("venues", Kind.INSERT)]


def test_a_truncated_table_is_told(engine, slot):
    run_sql(engine, VENUE)
    with change_stream.reading(engine) as stream:
        run_sql(engine, "TRUNCATE sections CASCADE")

        assert ("sections", Kind.TRUNCATE) in rows(drained(stream))


def test_what_was_not_confirmed_comes_again_and_what_was_does_not(engine, slot):
    run_sql(engine, VENUE)
    run_sql(engine, "UPDATE venues SET city = 'Vienna'")
    with change_stream.reading(engine) as stream:
        first = drained(stream)
    with change_stream.reading(engine) as stream:
        again = drained(stream)
        commit = next(each for each in again if isinstance(each, Commit))
        stream.confirm(commit.end_lsn)

    with change_stream.reading(engine) as stream:
        rest = drained(stream)

    assert rows(first) == rows(again) == [("venues", Kind.INSERT), ("venues", Kind.UPDATE)]
    assert rows(rest) == [("venues", Kind.UPDATE)]


def test_one_reads_at_a_time(engine, slot):
    with change_stream.reading(engine), pytest.raises(SomebodyElseReads), change_stream.reading(engine):
        pass


def test_setting_up_twice_changes_nothing_and_without_it_nobody_reads(record_url, engine):
    admin = create_engine(record_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with pytest.raises(ChangesNotSetUp, match="onsale changes setup"), change_stream.reading(engine):
        pass
    with admin.connect() as connection:
        try:
            assert change_stream.slot(connection) is None
            assert change_stream.set_up(connection)
            assert not change_stream.set_up(connection)
            assert change_stream.slot(connection).behind_bytes >= 0
        finally:
            change_stream.tear_down(connection)


def test_a_publication_of_an_older_release_is_brought_up_to_date(record_url, engine, slot):
    admin = create_engine(record_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("ALTER PUBLICATION onsale_changes SET TABLE events, venues")

        assert change_stream.set_up(connection)
        assert not change_stream.set_up(connection)

    with change_stream.reading(engine) as stream:
        run_sql(engine, "INSERT INTO organisers (name) VALUES ('Somebody')")
        assert rows(drained(stream)) == [("organisers", Kind.INSERT)]


def test_a_server_that_is_away_is_said_to_be_away():
    nowhere = create_engine("postgresql+psycopg2://127.0.0.1:9/nowhere")

    with pytest.raises(RecordUnavailable), change_stream.reading(nowhere):
        pass
