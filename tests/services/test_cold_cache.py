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

import pytest
from redis import Redis
from sqlalchemy import Engine

from onsale.db.ids import EventId
from onsale.queue.keys import CatalogueKeys
from onsale.sandbox.postgres import EmbeddedPostgres
from tests.builders import an_event, run_sql, until
from tests.services.test_web_process import ONSALE, answers, running

REQUESTS, CLIENTS, PROCESSES = 5_000, 50, 2


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
    event_id = an_event(engine)
    with two_webs(settings) as webs, followed(settings, cache):
        statuses = a_crowd(webs, event_id)

    assert len(statuses) == REQUESTS
    assert set(statuses) == {200}
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
        after = a_crowd(webs, event_id, requests=500)

    assert set(before + after) == {200}
    assert logged.count(f"FROM event_pages WHERE id = {event_id}") == 2
