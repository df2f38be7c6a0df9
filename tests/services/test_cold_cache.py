"""A crowd on a cold cache, over two web processes: the record is asked for the event once, by the server's own log."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis
from sqlalchemy import Engine

from onsale.db.change_stream import end_of_log
from onsale.db.engine import make_engine, reading
from onsale.db.ids import EventId
from onsale.queue.keys import CatalogueKeys
from onsale.sandbox.postgres import EmbeddedPostgres
from tests.builders import an_event, run_sql, until
from tests.services.test_fresh_events import READERS, Price, a_hundred, seed
from tests.services.test_web_process import ONSALE, answers, running

__all__ = ["seed"]

REQUESTS, CLIENTS, PROCESSES = 5_000, 50, 2
TRIES_MAX = 3
LOOK_SECONDS = 0.02


class Statements:
    """What the server was asked since, by its log."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._log = server.log_file
        self._from = self._log.stat().st_size

    def count(self, words: str) -> int:
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._from)
            return log.read().count(words)


@pytest.fixture
def logged(engine: Engine, postgres_server: EmbeddedPostgres) -> Statements:
    """Every statement of the connections that are opened from now on."""
    run_sql(engine, f"ALTER DATABASE {engine.url.database} SET log_statement = 'all'")
    return Statements(postgres_server)


@contextmanager
def two_webs(settings: dict[str, str]) -> Iterator[list[str]]:
    with ExitStack() as stack:
        webs = [stack.enter_context(running(settings)).address for _ in range(PROCESSES)]
        for address in webs:
            until(lambda address=address: answers(address), "the web answers")
        yield webs


@contextmanager
def followed(settings: dict[str, str], cache: Redis) -> Iterator[None]:
    """`onsale changes run`, a process of its own: nobody here takes the time it needs to give its word."""
    process = subprocess.Popen(
        [str(ONSALE), "changes", "run"], env={**os.environ, **settings}, stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: cache.exists(CatalogueKeys.followed), "the change stream is followed")
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def cache(settings: dict[str, str]) -> Iterator[Redis]:
    with closing(Redis.from_url(settings["ONSALE_CACHE_URL"])) as client:
        yield client


def vouched_up_to(cache: Redis) -> int:
    """How far the change stream was followed, by the sign; 0 without one."""
    return int((cache.get(CatalogueKeys.followed) or b"- 0").split()[1])


@contextmanager
def watched(cache: Redis) -> Iterator[list[float]]:
    """When the sign of the change stream was missing meanwhile: a machine that gives the follower no time at all."""
    lapses: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if not cache.exists(CatalogueKeys.followed):
                lapses.append(time.monotonic())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lapses
    finally:
        over.set()
        thread.join()


def a_crowd(webs: list[str], event_id: EventId, *, requests: int = REQUESTS) -> list[int]:
    """Requests for an event, all at once as far as 50 connections go; their statuses."""
    begin, statuses = threading.Barrier(CLIENTS), []

    def ask(number: int) -> None:
        connection = HTTPConnection(urlsplit(webs[number % len(webs)]).netloc, timeout=30)
        begin.wait()
        for turn in range(requests // CLIENTS):
            # Most by the API, and the page of the event too.
            connection.request("GET", f"/events/{event_id}" if turn % 10 == 0 else f"/v1/events/{event_id}")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return statuses


def test_the_record_is_asked_once(settings, redis_client, cache, engine, slot, logged):
    with two_webs(settings) as webs, followed(settings, cache):
        for _ in range(TRIES_MAX):
            # Each time another event: no process and no cache knows it.
            event_id = an_event(engine)
            with reading(engine) as connection:
                made_at = end_of_log(connection)
            # Or its making, told in the middle of the crowd, would rightly have it read once more.
            until(lambda made_at=made_at: vouched_up_to(cache) >= made_at, "the event is vouched for")
            with watched(cache) as lapses:
                statuses = a_crowd(webs, event_id)
            assert len(statuses) == REQUESTS
            assert set(statuses) == {200}
            if not lapses:
                break

    assert lapses == [], "this machine never gave the follower the time it needs"
    assert logged.count(f"FROM event_pages WHERE id = {event_id}") == 1


def test_without_a_follower_each_process_asks_twice_a_second_at_most(settings, redis_client, engine, logged):
    event_id = an_event(engine)
    with two_webs(settings) as webs:
        began = time.monotonic()
        statuses = a_crowd(webs, event_id, requests=1_000)
        seconds = time.monotonic() - began

    assert set(statuses) == {200}
    assert PROCESSES <= logged.count(f"FROM event_pages WHERE id = {event_id}") <= PROCESSES * (2 * seconds + 2)


def test_after_a_change_of_price_it_is_asked_once_more(settings, redis_client, cache, engine, slot, logged):
    event_id = an_event(engine)
    with two_webs(settings) as webs, followed(settings, cache):
        before = a_crowd(webs, event_id, requests=500)
        floor = CatalogueKeys.slot("event", event_id)
        stamped = cache.hget(floor, "floor")
        run_sql(engine, f"UPDATE sections SET price_minor = 1 WHERE event_id = {event_id}")
        until(lambda: cache.hget(floor, "floor") != stamped, "the change is told")
        # A copy read before the sign says so would not be kept, and be read once more.
        until(lambda: vouched_up_to(cache) >= int(cache.hget(floor, "floor")), "the change is vouched for")
        after = a_crowd(webs, event_id, requests=500)

    assert set(before + after) == {200}
    assert logged.count(f"FROM event_pages WHERE id = {event_id}") == 2


@contextmanager
def over_http(address: str) -> Iterator[Price]:
    """What a web process tells."""
    with httpx.Client(base_url=address, timeout=30, limits=httpx.Limits(max_connections=READERS)) as client:
        yield lambda event_id: int(client.get(f"/v1/events/{event_id}").json()["sections"][0]["price_minor"])


def test_no_origin_tells_a_price_that_was_another_a_second_ago(settings, redis_client, cache, engine, slot, seed):
    writing = make_engine(settings["ONSALE_DATABASE_URL"], pool_size=30)
    with two_webs(settings) as webs, followed(settings, cache), ExitStack() as stack:
        fronts = [stack.enter_context(over_http(address)) for address in webs]
        seen = a_hundred(writing, fronts, seed, half_way=lambda: None)
    writing.dispose()

    assert len(seen.read) > 100
    assert seen.violations() == []
