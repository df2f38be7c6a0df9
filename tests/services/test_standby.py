"""A primary and its standby: what was acknowledged survives the primary, and the pair mends itself."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text

from onsale.config import Config
from onsale.db.engine import make_engine, reading, transaction
from onsale.errors import RecordUnavailable
from onsale.sandbox.embedded import PartFailed, working_in
from onsale.sandbox.pair import PostgresPair
from tests.builders import until
from tests.fleeting import fleeting_folder
from tests.pairs import mute, waits_for_the_standby

WRITERS = 4
ACKNOWLEDGED = 300
ONE_AT_A_TIME = text("INSERT INTO kept (word) VALUES (:word)")


@pytest.fixture
def engine(paired_record_url) -> Iterator[Engine]:
    """An engine on a record of the pair, with a table to write to."""
    engine = make_engine(paired_record_url, pool_size=WRITERS + 2)
    with transaction(engine) as connection:
        connection.execute(text("CREATE TABLE kept (word text PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own: short, and gone at once.
    with fleeting_folder("onsale-pair-") as made:
        yield made


def write(engine: Engine, word: str) -> None:
    with transaction(engine) as connection:
        connection.execute(ONE_AT_A_TIME, {"word": word})


def write_and_wait(engine: Engine, word: str) -> None:
    """Without the house's limit: however long the standby takes to confirm."""
    with engine.begin() as connection:
        connection.execute(ONE_AT_A_TIME, {"word": word})


def written(engine: Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.execute(text("SELECT word FROM kept")).scalars())


@contextmanager
def writing(engine: Engine) -> Iterator[list[str]]:
    """Writers that never stop; the list grows by what was acknowledged to them."""
    acknowledged: list[str] = []
    stop = threading.Event()

    def write_on(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            word = f"{writer}-{number}"
            try:
                write(engine, word)
            except RecordUnavailable:
                stop.wait(0.01)
            else:
                acknowledged.append(word)

    with ThreadPoolExecutor(WRITERS) as writers:
        running = [writers.submit(write_on, writer) for writer in range(WRITERS)]
        try:
            yield acknowledged
        finally:
            stop.set()
        for one in running:
            one.result(30)


def test_everything_acknowledged_survives_the_primary_and_writers_go_on_by_themselves(pair, engine):
    with writing(engine) as acknowledged:
        until(lambda: len(acknowledged) > ACKNOWLEDGED, "writers are at work")
        before = len(acknowledged)
        began = time.monotonic()
        seconds = pair.failover()
        until(lambda: len(acknowledged) > before + WRITERS, "something is acknowledged again")
        again = time.monotonic() - began
        until(lambda: len(acknowledged) > before + ACKNOWLEDGED, "writers are at work again")

    print(f"failover {seconds:.2f} s, acknowledged again after {again:.2f} s, {len(acknowledged)} acknowledged")
    assert set(acknowledged) - written(engine) == set()


def test_what_was_never_acknowledged_goes_with_the_old_primary(pair, engine):
    with ThreadPoolExecutor(1) as other, mute(pair):
        waiting = other.submit(write, engine, "unheard")
        until(lambda: waits_for_the_standby(pair), "the commit waits for the standby")
        pair.kill()
        with pytest.raises(RecordUnavailable):
            waiting.result(20)
    pair.mend()

    assert written(engine) == set()


def test_without_waiting_for_the_standby_something_acknowledged_is_lost(folder):
    # The negative control of all the others: what they prove is proved by the waiting.
    with PostgresPair(folder / "pair", durable=False, synchronous=False) as pair:
        engine = make_engine(pair.ensure_database("onsale"))
        with transaction(engine) as connection:
            connection.execute(text("CREATE TABLE kept (word text PRIMARY KEY)"))
        write(engine, "early")
        lsn = pair.primary.lsn()
        until(lambda: pair.primary.is_replayed(pair.standby.folder.name, lsn), "the standby has what is written so far")
        with mute(pair, promotes=True):
            write(engine, "acknowledged")
            pair.failover()
        found = written(engine)
        engine.dispose()

    assert found == {"early"}


def test_a_dead_primary_is_replaced_by_its_standby_and_comes_back_as_the_new_ones(pair, engine):
    write(engine, "kept")
    url, old = pair.url("postgres"), pair.primary
    os.kill(pair.pid, signal.SIGKILL)
    until(lambda: pair.primary.ended, "the primary is gone")

    mended = pair.start_again_if_ended()
    # At once, while the old one is on its way back.
    found = written(engine)
    until(lambda: not pair.start_again_if_ended() and pair.in_step, "the old primary is the new one's standby")

    assert mended
    assert found == {"kept"}
    assert (pair.standby, pair.url("postgres")) == (old, url)


def test_the_roles_may_change_again_and_again(pair, engine):
    for word in ("first", "second", "third"):
        write(engine, word)
        pair.failover()
        pair.rebuild()

    assert written(engine) == {"first", "second", "third"}


def test_a_commit_waits_for_a_dead_standby_until_it_is_back(pair, engine):
    primary = pair.primary
    pair.standby.kill()

    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(write_and_wait, engine, "patient")
        until(lambda: waits_for_the_standby(pair), "the commit waits for the standby")
        undecided = not waiting.done()
        mended = pair.start_again_if_ended()
        waiting.result(20)

    assert (undecided, mended, pair.primary) == (True, True, primary)
    assert written(engine) == {"patient"}


def test_a_standby_that_lacks_something_acknowledged_is_never_promoted(pair, engine):
    pair.failover()
    # The old primary is not back yet: only this one has it.
    write(engine, "alone")
    alone = pair.primary
    pair.kill()

    with pytest.raises(PartFailed, match="not in step"):
        pair.promote()
    mended = pair.start_again_if_ended()
    until(lambda: pair.in_step, "both have it")

    assert (mended, pair.primary) == (True, alone)
    assert written(engine) == {"alone"}


def test_a_primary_that_dies_while_its_standby_is_on_its_way_back_comes_back_itself(pair, engine):
    write(engine, "kept")
    pair.kill()
    pair.start_again_if_ended()
    new = pair.primary
    write(engine, "alone")

    pair.kill()
    again = pair.start_again_if_ended()
    until(lambda: not pair.start_again_if_ended() and pair.in_step, "both have it")
    pair.failover()

    assert (again, pair.standby) == (True, new)
    assert written(engine) == {"kept", "alone"}


def test_a_pair_stops_while_its_standby_is_on_its_way_back_and_leaves_no_process(folder):
    pair = PostgresPair(folder / "pair", durable=False).start()
    pair.kill()
    pair.start_again_if_ended()

    pair.stop()

    servers = (pair.primary, pair.standby)
    assert [each for server in servers for each in working_in(server.data_folder, pair.program)] == []
    with PostgresPair(folder / "pair", durable=False) as again:
        assert again.in_step


def test_a_standby_that_cannot_follow_is_copied_anew(pair, engine):
    pair.standby.kill()
    shutil.rmtree(pair.standby.data_folder)

    pair.mend()
    write(engine, "kept")
    pair.failover()

    assert written(engine) == {"kept"}


def test_a_pair_keeps_its_roles_and_its_address_over_a_restart_and_leaves_no_process(folder):
    with PostgresPair(folder / "pair", durable=False) as first:
        first.failover()
        with closing(first.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (word text)")
        primary, url = first.primary.folder, first.url()
    left = [each for server in (first.primary, first.standby) for each in working_in(server.data_folder, "postgres")]

    with PostgresPair(folder / "pair", durable=False) as second:
        assert (second.primary.folder, second.url(), second.in_step) == (primary, url, True)
        with closing(second.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM kept")
    assert left == []


def test_a_pair_that_outlived_its_owner_is_ended_before_a_new_one_starts(folder):
    # As after a kill -9 where the kernel has no leash: the locks are free, both servers still run.
    first = PostgresPair(folder / "pair", durable=False).start()
    orphans = [first.primary.pid, first.standby.pid]
    for server in (first.primary, first.standby):
        server._lock.close()

    with PostgresPair(folder / "pair", durable=False) as new:
        assert new.answers()
        for server in (first.primary, first.standby):
            server._process.wait(10)

    assert [pid for pid in orphans if psutil.pid_exists(pid)] == []


def test_a_pairs_address_is_a_setting_like_any_other_and_its_password_is_not_shown(pair, settings):
    config = Config.from_env({**settings, "ONSALE_DATABASE_URL": pair.url()})

    assert config.database_url == pair.url()
    assert pair.password not in config.shown()["ONSALE_DATABASE_URL"]
