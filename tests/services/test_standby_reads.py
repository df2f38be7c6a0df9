"""Reads from a standby: only what it shows already, nothing of a buyer's own, and from the primary when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from onsale.cli.doctor import reads as doctor_reads
from onsale.cli.doctor.finding import Seen
from onsale.config import Config
from onsale.db.catalogue import event_by_id
from onsale.db.engine import make_engine
from onsale.db.ids import EventId
from onsale.db.standby_reads import Reads
from onsale.queue.followed import Followed
from onsale.sandbox.pair import PostgresPair
from onsale.workers.shop import open_shop
from tests.builders import an_event, open_queue, run_sql, until
from tests.conftest import NOWHERE
from tests.services.serving import Web, serving


@pytest.fixture
def primary(paired_record_url) -> Iterator[Engine]:
    engine = create_engine(paired_record_url)
    yield engine
    engine.dispose()


@pytest.fixture
def standby_url(pair, primary) -> str:
    port = pair.standby.port
    return primary.url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)


@pytest.fixture
def reads(primary, standby_url) -> Iterator[Reads]:
    both = Reads(primary, make_engine(standby_url, application_name="reads"))
    yield both
    both.close()


def position(engine: Engine) -> int:
    """Where the log is now."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")))


def told(reads: Reads, event_id: EventId, *, position: int | None) -> tuple[str, bool]:
    """The event's name, and whether a standby said it."""

    def ask(connection: Connection) -> tuple[str, bool]:
        event = event_by_id(connection, event_id)
        assert event is not None
        return event.name, bool(connection.scalar(text("SELECT pg_is_in_recovery()")))

    return reads.read(ask, position=position)


@contextmanager
def replay_paused(pair: PostgresPair) -> Iterator[None]:
    """The standby confirms what it gets, and shows none of it."""
    with closing(pair.standby.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_wal_replay_resume()")


def rename(engine: Engine, event_id: EventId, name: str) -> None:
    run_sql(engine, f"UPDATE events SET name = '{name}' WHERE id = {event_id}")


def test_what_the_standby_shows_is_read_from_it(pair, primary, reads):
    event_id = an_event(primary)
    rename(primary, event_id, "Before")
    before = position(primary)

    found = until_shown(reads, event_id, before)

    assert found == ("Before", True)
    assert told(reads, event_id, position=None) == ("Before", False)


def until_shown(reads: Reads, event_id: EventId, wanted: int) -> tuple[str, bool]:
    """What a standby says, once it has replayed what it has confirmed."""
    for _ in range(1_000):
        found = told(reads, event_id, position=wanted)
        if found[1]:
            return found
    raise AssertionError("the standby never got there")


def test_what_the_standby_does_not_show_yet_is_read_from_the_primary(pair, primary, reads):
    event_id = an_event(primary)
    rename(primary, event_id, "Before")
    before = position(primary)
    until_shown(reads, event_id, before)

    with replay_paused(pair):
        rename(primary, event_id, "After")

        assert told(reads, event_id, position=before) == ("Before", True)
        assert told(reads, event_id, position=position(primary)) == ("After", False)


def test_a_standby_that_is_away_is_done_without_and_left_alone(pair, primary, standby_url):
    now = [100.0]
    engine = make_engine(standby_url.replace(str(pair.standby.port), "9"), application_name="reads")
    asked = []
    reads = Reads(primary, engine, clock=lambda: asked.append(now[0]) or now[0])
    event_id = an_event(primary)

    found = [told(reads, event_id, position=1)[1] for _ in range(3)]

    # Each asks whether it rests; only the first tries, and asks when it failed.
    assert (found, len(asked)) == ([False] * 3, 4)
    engine.dispose()


def test_a_web_with_a_standby_reads_events_there_and_a_buyers_own_things_on_the_primary(
    pair, primary, standby_url, settings, paired_record_url, redis_client
):
    config = Config.from_env(settings | {"ONSALE_DATABASE_URL": paired_record_url, "ONSALE_READ_URL": standby_url})
    event_id = an_event(primary)
    rename(primary, event_id, "Before")
    with closing(open_shop(config)) as shop, serving(config) as web:
        open_queue(shop, event_id)
        followed = Followed(web.office.cache_client)
        until_shown(web.office.reads, event_id, position(primary))
        vouch(followed, primary)
        with replay_paused(pair):
            guest = web.guest()
            guest.join(event_id)
            shop.store.advance(event_id)
            booked = guest.book(event_id, {"quantity": 1}, admission_token=guest.enter(event_id))
            rename(primary, event_id, "After")

            # As of what was followed, from the standby: the change has not been told yet.
            assert name_told(web, event_id) == "Before"
            assert guest.get(booked.json()["url"]).json()["id"] == booked.json()["id"]
            followed.outdate([event_id], position(primary))
            vouch(followed, primary)
            until(lambda: name_told(web, event_id) == "After", "the change is seen")


def name_told(web: Web, event_id: EventId) -> str:
    return str(web.http.get(f"/v1/events/{event_id}").json()["name"])


def vouch(followed: Followed, engine: Engine) -> None:
    mark = followed.mark()
    assert mark is not None
    assert followed.vouch(mark, position(engine))


def seen_by_the_doctor(config: Config, primary: Engine, read_url: str) -> Seen:
    database_url = primary.url.render_as_string(hide_password=False)
    return doctor_reads.examine(replace(config, database_url=database_url, read_url=read_url))


def test_the_doctor_says_where_reads_go_and_how_far_behind_that_is(config, pair, primary, standby_url, record_url):
    said = {
        "standby": seen_by_the_doctor(config, primary, standby_url),
        "primary": seen_by_the_doctor(config, primary, primary.url.render_as_string(hide_password=False)),
        "another": seen_by_the_doctor(config, primary, record_url),
        "nobody": seen_by_the_doctor(config, primary, f"postgresql+psycopg2://{NOWHERE}/nowhere"),
    }
    with replay_paused(pair):
        an_event(primary)
        run_sql(primary, "CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
        said["paused"] = seen_by_the_doctor(config, primary, standby_url)

    assert {name: seen.answer.name for name, seen in said.items()} == {
        "standby": "OK",
        "primary": "WARNING",
        "another": "BROKEN",
        "nobody": "WARNING",
        "paused": "WARNING",
    }
