"""`onsale changes` and `onsale index`, on a real record and a real Elasticsearch: followed, taken over, compared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from onsale import cli
from onsale.db.ids import EventId
from onsale.errors import SearchUnavailable
from onsale.sandbox.embedded import poll
from onsale.search import SearchQuery
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.opening import open_search
from onsale.workers.changes import Follower, RebuildUnderWay, rebuild_alone
from tests.builders import a_show, run_sql

SECONDS_MAX = 30


@pytest.fixture
def index(elasticsearch_server) -> Iterator[EventIndex]:
    with EventIndex(elasticsearch_server.url()) as index:
        yield index
        for name in index.written_to():
            index.delete(name)


@contextmanager
def following(engine: Engine, index: EventIndex) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Follower(engine, index).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(SECONDS_MAX)
        assert not thread.is_alive()


def arrives(index: EventIndex, event_id: EventId, name: str) -> bool:
    def there() -> bool:
        # Before the first index there is none to ask.
        with suppress(SearchUnavailable):
            return index.get(ALIAS, [event_id]).get(event_id, {}).get("name") == name
        return False

    return poll(there, seconds=SECONDS_MAX)


@pytest.fixture
def onsale(settings: dict[str, str], elasticsearch_server) -> Callable[..., Result]:
    env = {**settings, "ONSALE_SEARCH_URL": elasticsearch_server.url()}
    return lambda *words, **changed: CliRunner().invoke(cli.main, words, env={**env, **changed})


def test_the_first_index_is_made_by_itself_and_changes_follow(engine, source, index):
    event_id = a_show(engine, "Before")
    with following(engine, index):
        assert arrives(index, event_id, "Before")

        run_sql(engine, "UPDATE events SET name = 'After'")

        assert arrives(index, event_id, "After")


def test_a_second_follower_takes_over_when_the_first_has_ended(engine, source, index):
    event_id = a_show(engine, "Before")
    with following(engine, index):
        assert arrives(index, event_id, "Before")
        second = following(engine, index)
        second.__enter__()
    try:
        run_sql(engine, "UPDATE events SET name = 'After'")

        assert arrives(index, event_id, "After")
    finally:
        second.__exit__(None, None, None)


def test_one_rebuild_at_a_time(engine, index):
    def another(_: int) -> None:
        with pytest.raises(RebuildUnderWay):
            rebuild_alone(engine, index)

    a_show(engine, "Once")

    assert rebuild_alone(engine, index, progress=another).events == 1


def test_the_commands_make_an_index_and_find_what_is_wrong_with_it(engine, source, index, onsale):
    event_id = a_show(engine, "Lanterns")

    assert "Run: onsale index rebuild" in onsale("index", "check").output
    assert "holds 1 events" in onsale("index", "rebuild").output
    assert "equals the record: 1 events" in onsale("index", "check").output

    index.write(ALIAS, {event_id: None}, version=2**62)
    wrong = onsale("index", "check", "--seconds", "0")
    assert (wrong.exit_code, f"event {event_id}: missing" in wrong.output) == (1, True)


def test_the_stream_is_set_up_shown_and_removed(onsale, record_url):
    assert onsale("changes", "status").exit_code == 1
    said = onsale("changes", "setup").output
    assert "heard by the slot: the server has logical decoding" in said
    assert "Next: onsale changes run" in said
    assert "not confirmed" in onsale("changes", "status").output
    assert onsale("changes", "remove", "--yes").exit_code == 0
    assert onsale("changes", "status").exit_code == 1


def test_without_an_address_the_commands_of_the_index_say_which_variable(onsale):
    said = onsale("index", "check", ONSALE_SEARCH_URL="")

    assert said.exit_code == 1
    assert "ONSALE_SEARCH_URL is not set" in said.output


def test_a_search_whose_index_is_not_there_goes_on_from_the_record(engine, elasticsearch_server):
    event_id = a_show(engine, "Lanterns")

    page = open_search(elasticsearch_server.url(), engine).search(SearchQuery(text="lanterns"))

    assert [hit.event_id for hit in page.hits] == [event_id]
