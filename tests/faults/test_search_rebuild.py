"""While the index is rebuilt again and again and the record changes, no search over HTTP fails or tells an old tale."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest
from elasticsearch import Elasticsearch
from sqlalchemy import Engine, text

from onsale.config import Config
from onsale.db.engine import transaction
from onsale.errors import OnsaleError
from onsale.sandbox.embedded import poll
from onsale.search import SearchQuery
from onsale.search.elasticsearch import ElasticsearchSearch
from onsale.search.event_index import ALIAS, EventIndex
from onsale.workers.changes import rebuild_alone
from tests.builders import a_show
from tests.services.serving import serving
from tests.worker_processes import running

SHOWS = 400
REBUILDS = 4
CHANGES_PER_SECOND = 50
INDEX_SECONDS_MAX = 60
# Promise I10: caches and index equal the record within so long.
OLD_SECONDS_MAX = 10.0

pytestmark = pytest.mark.slow


@dataclass
class Tale:
    """What the record has said of each show, and when: the version in its name, which only grows."""

    shows: list[int]
    versions: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    def told_before(self, show: int, moment: float) -> int:
        """The newest version that was committed by then."""
        return max((version for at, version in list(self.versions[show]) if at <= moment), default=0)


@contextmanager
def changing(engine: Engine, tale: Tale) -> Iterator[None]:
    """A show gets the next version in its name, CHANGES_PER_SECOND times a second."""
    stop, chance = threading.Event(), random.Random(1)

    def change() -> None:
        for version in count(1):
            if stop.wait(1 / CHANGES_PER_SECOND):
                return
            show = chance.choice(tale.shows)
            with transaction(engine) as connection:
                asked = {"name": f"Ruby{show} version {version}", "id": show}
                connection.execute(text("UPDATE events SET name = :name WHERE id = :id"), asked)
            tale.versions[show].append((time.monotonic(), version))

    with thread_of(change):
        yield
        stop.set()


@contextmanager
def thread_of(work) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


@dataclass(frozen=True)
class Found:
    """What a search told: names by event, and how many there are beside those of the page."""

    names: dict[int, str]
    total: int


Ask = Callable[[str], Found]


def over_http(address: str) -> Ask:
    """As a buyer asks: whatever goes wrong in the index, the record may answer."""

    def ask(words: str) -> Found:
        answer = httpx.get(f"{address}/v1/search", params={"q": words}, timeout=10).raise_for_status().json()
        return Found({event["event_id"]: event["name"] for event in answer["events"]}, answer["total"])

    return ask


def of_the_index(url: str) -> Ask:
    """Of the index alone, so that nothing covers up for it."""
    search = ElasticsearchSearch(Elasticsearch(url))

    def ask(words: str) -> Found:
        page = search.search(SearchQuery(text=words))
        return Found({hit.event_id: hit.name for hit in page.hits}, page.total)

    return ask


@contextmanager
def searching(asks: list[Ask], tale: Tale, wrong: list[str], done: list[int]) -> Iterator[None]:
    """Each searches for one show after the other, and compares."""
    stop = threading.Event()

    def search(ask: Ask, seed: int) -> None:
        chance = random.Random(seed)
        while not stop.is_set():
            show = chance.choice(tale.shows)
            version = tale.told_before(show, time.monotonic() - OLD_SECONDS_MAX)
            try:
                wrong.extend(complaint(ask(f"ruby{show}"), show, version))
            except (httpx.HTTPError, OnsaleError) as error:
                wrong.append(f"show {show}: {error!r} {error.__cause__!r}")
            done.append(show)

    threads = [threading.Thread(target=search, args=(ask, seed)) for seed, ask in enumerate(asks)]
    for each in threads:
        each.start()
    yield
    stop.set()
    for each in threads:
        each.join()


def complaint(found: Found, show: int, version: int) -> list[str]:
    # "ruby4" is the beginning of "ruby41" too, and may be on a later page.
    if show not in found.names:
        return [f"show {show} is not found: {found}"] if found.total <= len(found.names) else []
    if int(found.names[show].rsplit(" ", 1)[1]) < version:
        return [f"show {show} is {found.names[show]!r}, and has been version {version} for {OLD_SECONDS_MAX} s"]
    return []


def test_a_rebuild_under_load_fails_no_search_and_shows_nothing_old(
    engine, settings, elasticsearch_server, slot, tmp_path
):
    url = elasticsearch_server.url()
    given = {**settings, "ONSALE_SEARCH_URL": url}
    shows = [int(a_show(engine, "Ruby0 version 0")) for _ in range(SHOWS)]
    with transaction(engine) as connection:
        connection.execute(text("UPDATE events SET name = 'Ruby' || id || ' version 0'"))
    tale = Tale(shows, {show: [] for show in shows})
    wrong: list[str] = []
    done: list[int] = []
    with EventIndex(url) as index, running("changes", given, tmp_path):
        assert poll(lambda: bool(index.named(ALIAS)), seconds=INDEX_SECONDS_MAX)
        with (
            serving(Config.from_env(given)) as web,
            changing(engine, tale),
            searching([*[over_http(web.address)] * 2, *[of_the_index(url)] * 2], tale, wrong, done),
        ):
            rebuilt = {rebuild_alone(engine, index).name for _ in range(REBUILDS)}
        assert index.named(ALIAS)[0] in rebuilt
        for name in index.written_to():
            index.delete(name)

    print(f"{len(done)} searches")
    assert len(rebuilt) == REBUILDS
    assert wrong == []
    assert len(set(done)) > SHOWS / 4
