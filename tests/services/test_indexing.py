"""From a commit to the index: the change stream, a rebuild beside it, and the comparison that finds what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from onsale.db import catalogue, change_source
from onsale.db.catalogue import EventStatus, NewSection
from onsale.db.change_source import Changes, followed_up_to
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.search.comparing import Difference, Which, differences
from onsale.search.documents import documents
from onsale.search.event_index import ALIAS, NEXT, EventIndex
from onsale.search.rebuild import NotTheSame, rebuild
from onsale.workers.indexing import index_changes
from tests.builders import a_show, run_sql, until

WAIT_SECONDS = 0.3


class House(NamedTuple):
    """A record, its index and what carries changes from the one to the other."""

    engine: Engine
    index: EventIndex
    stream: Changes

    def show(self, name: str, *artists: str, **changed) -> EventId:
        return a_show(self.engine, name, artists, **changed)

    def carry(self) -> None:
        """Index all that was committed before this was called, however late the server tells of it."""
        last = self._commit_a_change()
        until(lambda: self._carry_some() and self._confirmed() > last, "the last change is confirmed")
        for name in self.index.written_to():
            self.index.refresh(name)

    def _carry_some(self) -> bool:
        index_changes(self.stream, self.engine, self.index, wait_seconds=WAIT_SECONDS)
        return True

    def _commit_a_change(self) -> int:
        """One that leaves nothing behind; where the log was before its commit."""
        with transaction(self.engine) as connection:
            connection.execute(text("INSERT INTO artists (name) VALUES ('Comes and goes')"))
            connection.execute(text("DELETE FROM artists WHERE name = 'Comes and goes'"))
            return int(connection.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")))

    def _confirmed(self) -> int:
        with reading(self.engine) as connection:
            return followed_up_to(connection)

    def wrong(self, **asked) -> list[Difference]:
        return differences(self.engine, self.index, ALIAS, **{"agree_seconds": 0, **asked})

    def found(self, event_id: EventId) -> dict:
        return self.index.get(ALIAS, [event_id])[event_id]


@pytest.fixture
def house(engine: Engine, source, elasticsearch_server) -> Iterator[House]:
    with EventIndex(elasticsearch_server.url()) as index:
        rebuild(engine, index, position=followed_up_to)
        with change_source.reading(engine) as stream:
            yield House(engine, index, stream)
        for name in index.written_to():
            index.delete(name)


def test_a_rebuilt_index_shows_by_itself_what_is_written_from_then_on(house, engine: Engine):
    (name,) = house.index.written_to()
    event_id = house.show("A Night", "The Night Trains")
    with transaction(engine) as connection:
        found = documents(connection, [event_id])

    house.index.write(name, found, version=1)

    until(lambda: house.index.count(name) == 1, "found without a refresh")


def test_every_kind_of_change_reaches_the_index(house):
    night = house.show("A Night", "The Night Trains")
    house.carry()
    assert house.found(night)["artists"] == ["The Night Trains"]

    with transaction(house.engine) as connection:
        catalogue.add_sections(connection, night, [NewSection(1, "A", 9000, standing=1)])
    run_sql(house.engine, "UPDATE artists SET name = 'The Day Trains'")
    run_sql(house.engine, "UPDATE venues SET city = 'Graz'")
    run_sql(house.engine, "UPDATE events SET name = 'A Day'")
    house.carry()

    now = house.found(night)
    assert (now["name"], now["city"], now["artists"]) == ("A Day", "Graz", ["The Day Trains"])
    assert now["price_min_minor"] == 9000
    assert house.wrong() == []


def test_a_show_that_is_withdrawn_or_deleted_leaves_the_index(house):
    draft, gone = house.show("Withdrawn"), house.show("Deleted")
    house.carry()

    run_sql(house.engine, f"UPDATE events SET status = 'draft' WHERE id = {draft}")
    run_sql(house.engine, f"DELETE FROM queue_settings WHERE event_id = {gone}")
    run_sql(house.engine, f"DELETE FROM events WHERE id = {gone}")
    house.carry()

    assert list(house.index.ids(ALIAS)) == []
    assert house.wrong() == []


def test_a_draft_is_found_once_it_is_published(house):
    event_id = house.show("Soon", status=EventStatus.DRAFT)
    house.carry()
    assert list(house.index.ids(ALIAS)) == []

    run_sql(house.engine, "UPDATE events SET status = 'published'")
    house.carry()

    assert house.found(event_id)["name"] == "Soon"


def test_an_older_write_never_replaces_a_newer_one_nor_brings_back_what_is_gone(house):
    (name,) = house.index.named(ALIAS)
    house.index.write(name, {7: {"event_id": 7, "name": "new"}, 8: {"event_id": 8}}, version=20)
    house.index.write(name, {8: None}, version=30)

    old = {7: {"event_id": 7, "name": "old"}, 8: {"event_id": 8}}
    written = house.index.write(name, old, version=10)

    assert written == 0
    house.index.refresh(name)
    assert list(house.index.ids(name)) == [7]
    assert house.index.get(name, [7])[7]["name"] == "new"


def test_a_reader_that_dies_before_it_confirms_loses_nothing(house):
    event_id = house.show("Kept")
    until(lambda: house.stream.read(wait_seconds=WAIT_SECONDS), "the change comes")
    house.stream.close()

    with change_source.reading(house.engine) as again:
        until(lambda: index_changes(again, house.engine, house.index, wait_seconds=WAIT_SECONDS), "it comes again")

    assert house.found(event_id)["name"] == "Kept"


def test_a_change_that_a_standby_has_not_confirmed_is_waited_for_and_not_lost(house, postgres_server):
    """The log tells of a commit before others see it; the document read then would be the old one, for good."""
    event_id = house.show("Before")
    house.carry()
    with a_standby_that_never_confirms(postgres_server):
        rename = f"SET LOCAL synchronous_commit = on; UPDATE events SET name = 'After' WHERE id = {event_id}"
        committing = Thread(target=run_sql, args=(house.engine, rename))
        committing.start()
        until(lambda: waiting_for_a_standby(postgres_server) == 2, "the commit waits")
        following = Thread(target=house.carry)
        following.start()
        # Long enough for who does not wait to have read, written and confirmed the old document.
        following.join(1.0)
    committing.join()
    following.join()
    # An outbox shows what is visible, and so shows it only now; no change comes that would mend what is lost.
    house.carry()

    assert house.found(event_id)["name"] == "After"


@contextmanager
def a_standby_that_never_confirms(server: EmbeddedPostgres) -> Iterator[None]:
    """Every commit that asks for it waits meanwhile; one does already."""
    probes: list[Thread] = []

    def a_commit_waits() -> bool:
        # The server takes the setting up when it gets round to it; a commit before that goes through.
        if not any(each.is_alive() for each in probes):
            probes.append(Thread(target=commit_waiting, args=(server,)))
            probes[-1].start()
        return waiting_for_a_standby(server) == 1

    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        cursor.execute("SELECT pg_reload_conf()")
        try:
            until(a_commit_waits, "the setting is taken up")
            yield
        finally:
            cursor.execute("ALTER SYSTEM RESET synchronous_standby_names")
            cursor.execute("SELECT pg_reload_conf()")
            for each in probes:
                each.join()


def commit_waiting(server: EmbeddedPostgres) -> None:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("SELECT pg_logical_emit_message(true, 'probe', '')")


def waiting_for_a_standby(server: EmbeddedPostgres) -> int:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return int(cursor.fetchone()[0])


def test_a_rebuild_swaps_to_an_index_that_has_what_changed_meanwhile(house):
    shows = [house.show(f"Show {n}") for n in range(3)]
    house.carry()
    (old,) = house.index.named(ALIAS)

    def change_one(_: int) -> None:
        run_sql(house.engine, f"UPDATE events SET name = 'Changed meanwhile' WHERE id = {shows[0]}")
        house.carry()

    rebuilt = rebuild(house.engine, house.index, position=followed_up_to, progress=change_one)

    assert rebuilt.events == 3
    assert house.index.named(ALIAS) == [rebuilt.name] != [old]
    assert house.index.named(NEXT) == []
    assert old not in house.index.written_to()
    assert house.found(shows[0])["name"] == "Changed meanwhile"


def test_an_interrupted_rebuild_goes_on_where_it_stood(house):
    shows = [house.show(f"Show {n}") for n in range(2)]
    house.carry()

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(house.engine, house.index, position=followed_up_to, progress=crash, note_every=1)
    (half,) = house.index.named(NEXT)
    house.show("Meanwhile")
    house.carry()
    again = rebuild(house.engine, house.index, position=followed_up_to)

    assert (again.name, again.resumed, again.events) == (half, True, len(shows) + 1)


def test_a_rebuild_that_is_not_what_the_record_says_is_not_put_in_place(house):
    shows = [house.show(f"Show {n}") for n in range(2)]
    house.carry()
    (old,) = house.index.named(ALIAS)

    def change_without_a_reader(_: int) -> None:
        run_sql(house.engine, f"UPDATE events SET name = 'Nobody reads this' WHERE id = {shows[0]}")

    with pytest.raises(NotTheSame):
        rebuild(house.engine, house.index, position=followed_up_to, progress=change_without_a_reader, agree_seconds=0.5)

    assert house.index.named(ALIAS) == [old]


def test_the_comparison_finds_what_is_missing_left_over_or_says_something_else(house):
    shows = [house.show(f"Show {n}") for n in range(3)]
    house.carry()
    (name,) = house.index.named(ALIAS)
    wrong = {**house.found(shows[1]), "name": "Nobody's"}

    run_sql(house.engine, f"UPDATE events SET status = 'draft' WHERE id = {shows[2]}")
    house.index.write(name, {shows[0]: None, shows[1]: wrong, 999: {"event_id": 999}}, version=2**62)

    assert house.wrong() == [
        Difference(shows[0], Which.MISSING),
        Difference(shows[1], Which.OTHER, ("name",)),
        Difference(shows[2], Which.LEFT_OVER),
        Difference(999, Which.LEFT_OVER),
    ]


def test_a_truncated_table_makes_every_event_new(house):
    event_id = house.show("Without a band", "The Night Trains")
    house.carry()

    run_sql(house.engine, "TRUNCATE event_artists")
    house.carry()

    assert house.found(event_id)["artists"] == []
    assert house.wrong() == []
