"""From a commit to the index: the change stream, a rebuild beside it, and the comparison that finds what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from elasticsearch import Elasticsearch
from sqlalchemy import Engine, NullPool, create_engine

from onsale.db import catalogue, change_stream
from onsale.db.catalogue import EventStatus, NewEvent, NewSection, Venue
from onsale.db.change_stream import ChangeStream
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.search import event_index
from onsale.search.comparing import Difference, Which, differences
from onsale.search.rebuild import NotTheSame, rebuild
from onsale.workers.indexing import index_changes
from tests.builders import run_sql

WAIT_SECONDS = 0.3
BATCHES_MAX = 100
VIENNA = Venue(1, "Musikverein", "Wien", "AT", "Wien", 48.2, 16.37, 1744)


class House(NamedTuple):
    """A record, its index and what carries changes from the one to the other."""

    engine: Engine
    client: Elasticsearch
    stream: ChangeStream

    def show(self, name: str, *artists: str, **changed) -> EventId:
        with transaction(self.engine) as connection:
            catalogue.put_venue(connection, VIENNA)
            new = NewEvent(
                organiser_id=catalogue.add_organiser(connection, "Test organiser"),
                venue_id=VIENNA.id,
                name=name,
                slug=f"show-{name}".lower().replace(" ", "-"),
                description="",
                starts_at=datetime.now(UTC) + timedelta(days=10),
                on_sale_at=datetime.now(UTC),
                currency="eur",
                tickets_per_buyer=4,
                artists=artists,
                **changed,
            )
            return catalogue.add_event(connection, new)

    def carry(self) -> None:
        """Index until it is quiet."""
        for _ in range(BATCHES_MAX):
            if index_changes(self.stream, self.engine, self.client, wait_seconds=WAIT_SECONDS) == 0:
                return

    def wrong(self, **asked) -> list[Difference]:
        return differences(self.engine, self.client, event_index.ALIAS, **{"agree_seconds": 0, **asked})

    def found(self, event_id: EventId) -> dict:
        return self.client.get(index=event_index.ALIAS, id=str(event_id))["_source"]


@pytest.fixture
def house(engine: Engine, record_url: str, elasticsearch_server) -> Iterator[House]:
    admin = create_engine(record_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        change_stream.set_up(connection)
    with Elasticsearch(elasticsearch_server.url()) as client:
        rebuild(engine, client)
        with change_stream.reading(engine) as stream:
            yield House(engine, client, stream)
        for index in event_index.written_to(client):
            client.indices.delete(index=index)
    with admin.connect() as connection:
        change_stream.tear_down(connection)


def test_every_kind_of_change_reaches_the_index(house):
    night = house.show("A Night", "The Night Trains")
    house.carry()
    assert house.found(night)["artists"] == ["The Night Trains"]

    with transaction(house.engine) as connection:
        catalogue.add_sections(connection, night, [NewSection(1, "A", 9000, standing=1)])
    run_sql(house.engine, "UPDATE artists SET name = 'The Day Trains'")
    run_sql(house.engine, "UPDATE venues SET city = 'Vienna'")
    run_sql(house.engine, "UPDATE events SET name = 'A Day'")
    house.carry()

    now = house.found(night)
    assert (now["name"], now["city"], now["artists"]) == ("A Day", "Vienna", ["The Day Trains"])
    assert now["price_min_minor"] == 9000
    assert house.wrong() == []


def test_a_show_that_is_withdrawn_or_deleted_leaves_the_index(house):
    draft, gone = house.show("Withdrawn"), house.show("Deleted")
    house.carry()

    run_sql(house.engine, f"UPDATE events SET status = 'draft' WHERE id = {draft}")
    run_sql(house.engine, f"DELETE FROM queue_settings WHERE event_id = {gone}")
    run_sql(house.engine, f"DELETE FROM events WHERE id = {gone}")
    house.carry()

    assert list(event_index.ids_in(house.client, event_index.ALIAS)) == []
    assert house.wrong() == []


def test_a_draft_is_found_once_it_is_published(house):
    event_id = house.show("Soon", status=EventStatus.DRAFT)
    house.carry()
    assert list(event_index.ids_in(house.client, event_index.ALIAS)) == []

    run_sql(house.engine, "UPDATE events SET status = 'published'")
    house.carry()

    assert house.found(event_id)["name"] == "Soon"


def test_an_older_write_never_replaces_a_newer_one_nor_brings_back_what_is_gone(house):
    (index,) = event_index.named(house.client, event_index.ALIAS)
    event_index.write(house.client, index, {7: {"event_id": 7, "name": "new"}, 8: {"event_id": 8}}, version=20)
    event_index.write(house.client, index, {8: None}, version=30)

    written = event_index.write(
        house.client, index, {7: {"event_id": 7, "name": "old"}, 8: {"event_id": 8}}, version=10
    )

    assert written == 0
    house.client.indices.refresh(index=index)
    assert list(event_index.ids_in(house.client, index)) == [7]
    assert house.client.get(index=index, id="7")["_source"]["name"] == "new"


def test_a_reader_that_dies_before_it_confirms_loses_nothing(house):
    event_id = house.show("Kept")
    seen = house.stream.read(wait_seconds=WAIT_SECONDS)
    house.stream.close()

    with change_stream.reading(house.engine) as again:
        index_changes(again, house.engine, house.client, wait_seconds=WAIT_SECONDS)

    assert seen
    assert house.found(event_id)["name"] == "Kept"


def test_a_rebuild_swaps_to_an_index_that_has_what_changed_meanwhile(house):
    shows = [house.show(f"Show {n}") for n in range(3)]
    house.carry()
    (old,) = event_index.named(house.client, event_index.ALIAS)

    def change_one(_: int) -> None:
        run_sql(house.engine, f"UPDATE events SET name = 'Changed meanwhile' WHERE id = {shows[0]}")
        house.carry()

    rebuilt = rebuild(house.engine, house.client, progress=change_one)

    assert rebuilt.events == 3
    assert event_index.named(house.client, event_index.ALIAS) == [rebuilt.name] != [old]
    assert event_index.named(house.client, event_index.NEXT) == []
    assert not house.client.indices.exists(index=old)
    assert house.found(shows[0])["name"] == "Changed meanwhile"


def test_an_interrupted_rebuild_goes_on_where_it_stood(house):
    shows = [house.show(f"Show {n}") for n in range(2)]
    house.carry()

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(house.engine, house.client, progress=crash, note_every=1)
    (half,) = event_index.named(house.client, event_index.NEXT)
    house.show("Meanwhile")
    house.carry()
    again = rebuild(house.engine, house.client)

    assert (again.name, again.resumed, again.events) == (half, True, len(shows) + 1)


def test_a_rebuild_that_is_not_what_the_record_says_is_not_put_in_place(house):
    shows = [house.show(f"Show {n}") for n in range(2)]
    house.carry()
    (old,) = event_index.named(house.client, event_index.ALIAS)

    def change_without_a_reader(_: int) -> None:
        run_sql(house.engine, f"UPDATE events SET name = 'Nobody reads this' WHERE id = {shows[0]}")

    with pytest.raises(NotTheSame):
        rebuild(house.engine, house.client, progress=change_without_a_reader, agree_seconds=0.5)

    assert event_index.named(house.client, event_index.ALIAS) == [old]


def test_the_comparison_finds_what_is_missing_left_over_or_says_something_else(house):
    shows = [house.show(f"Show {n}") for n in range(3)]
    house.carry()
    (index,) = event_index.named(house.client, event_index.ALIAS)
    wrong = {**house.found(shows[1]), "name": "Nobody's"}

    house.client.delete(index=index, id=str(shows[0]))
    house.client.index(index=index, id=str(shows[1]), document=wrong)
    house.client.index(index=index, id="999", document={"event_id": 999})

    assert house.wrong() == [
        Difference(shows[0], Which.MISSING),
        Difference(shows[1], Which.OTHER, ("name",)),
        Difference(999, Which.LEFT_OVER),
    ]


def test_a_truncated_table_makes_every_event_new(house):
    event_id = house.show("Without a band", "The Night Trains")
    house.carry()

    run_sql(house.engine, "TRUNCATE event_artists")
    house.carry()

    assert house.found(event_id)["artists"] == []
    assert house.wrong() == []
