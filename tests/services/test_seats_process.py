"""The process that lets viewers wait, as it is run: `onsale seats`, beside a web that keeps its seats."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Any

import httpx
import pytest
from redis import Redis

from onsale.db.catalogue import NewSection
from onsale.queue.keys import EventKeys
from onsale.queue.ticket_cache import TakenTicket, TicketCache
from onsale.sandbox.ports import free_port
from tests.builders import an_event, run_sql, seat, until
from tests.conftest import NOWHERE

ONSALE = Path(sys.executable).with_name("onsale")
SECTIONS = (NewSection(1, "Parterre", 4500, rows=2, seats_per_row=10), NewSection(2, "Floor", 3000, standing=20))
# Far more than any answer takes here, far less than the longest wait.
SOON_SECONDS = 10


@dataclass(frozen=True)
class Process:
    """A running `onsale seats`."""

    address: str
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def ask(self, event_id: int, **query: Any) -> httpx.Response:
        return httpx.get(f"{self.address}/v1/events/{event_id}/seats/availability", params=query, timeout=40)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return int(httpx.get(f"{self.address}/healthz").text.split()[0])


@contextmanager
def running(settings: dict[str, str], **more: str) -> Iterator[Process]:
    port = free_port()
    env = {**os.environ, **settings, "ONSALE_SEATS_PORT": str(port), "ONSALE_LOG_FORMAT": "json", **more}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([str(ONSALE), "seats"], env=env, stdout=said, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: answers(address), "the process answers")
            yield Process(address, process, said)
        finally:
            process.kill()
            process.wait()


def answers(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(address + "/healthz", timeout=5).status_code == 200
    return False


@pytest.fixture
def event_id(engine):
    return an_event(engine, sections=SECTIONS)


@pytest.fixture
def seats(settings, web, event_id) -> Iterator[Process]:
    """The process, once the web keeps the seats of the event."""
    # A record it must do without.
    without = {"ONSALE_DATABASE_URL": f"postgresql://{NOWHERE}/nowhere"}
    with running(settings | without) as process:
        whole(web, event_id)
        yield process


@pytest.fixture
def cache(config) -> Iterator[TicketCache]:
    client = Redis.from_url(config.cache_url)
    yield TicketCache(client)
    client.close()


@pytest.fixture
def viewers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as pool:
        yield pool


def whole(web, event_id) -> dict[str, Any]:
    """What the web says, once it is of an epoch that everybody shares."""
    url = f"/v1/events/{event_id}/seats/availability"

    def kept() -> dict[str, Any] | None:
        document = web.http.get(url).json()
        return None if document["version"].startswith("r") else document

    return until(kept, "the web keeps the seats")


def sell(engine, cache: TicketCache, event_id, ordinal: int, *, marked: bool = True) -> None:
    """As a worker does; unmarked, as one that was killed in between."""
    run_sql(
        engine,
        "UPDATE tickets SET state = 'sold', booking_id = gen_random_uuid(), version = version + 1 WHERE id = :id",
        id=seat(event_id, ordinal),
    )
    if marked:
        cache.put(event_id, [TakenTicket(seat(event_id, ordinal), 1, None)])


def changes(document: dict[str, Any]) -> dict[int, list[Any]]:
    return {section["id"]: section["changes"] for section in document["sections"]}


def test_who_waits_is_told_of_a_change_when_it_comes(web, engine, seats, cache, event_id, viewers):
    since = whole(web, event_id)["version"]
    answers_: list[Future[httpx.Response]] = [
        viewers.submit(seats.ask, event_id, since=since, wait=25) for _ in range(20)
    ]
    until(lambda: seats.waiting == 20, "all wait")

    sell(engine, cache, event_id, 3)

    # Who is not told waits for 25 seconds, which is longer than is waited for here.
    told = [each.result(SOON_SECONDS) for each in answers_]
    assert {each.content for each in told} == {told[0].content}
    document = told[0].json()
    assert (document["since"], document["sold"], changes(document)) == (since, 1, {1: [[2, "s"]]})
    assert (told[0].headers["Cache-Control"], told[0].headers["Access-Control-Allow-Origin"]) == (
        "public, max-age=1",
        "*",
    )


def test_a_word_wakes_who_waits_long_before_it_is_looked_anyway(web, engine, seats, cache, event_id, viewers):
    took = []
    for ordinal in range(1, 6):
        until(lambda sold=ordinal - 1: seats.ask(event_id).json()["sold"] == sold, "what was sold is seen")
        since = seats.ask(event_id).json()["version"]
        waiting = viewers.submit(seats.ask, event_id, since=since, wait=25)
        until(lambda: seats.waiting == 1, "somebody waits")
        began = time.monotonic()
        sell(engine, cache, event_id, ordinal)
        waiting.result(SOON_SECONDS)
        took.append(time.monotonic() - began)

    # By looking alone each would take most of a second; the median, because a busy machine may stop in one of them.
    assert median(took) < 0.5


def test_both_tell_the_same_seats_in_the_same_version(web, engine, seats, cache, event_id):
    sell(engine, cache, event_id, 3)

    until(lambda: seats.ask(event_id).json() == whole(web, event_id), "both know of it")

    assert whole(web, event_id)["sections"][0]["states"] == "ffs" + "f" * 17


def test_who_looks_at_one_section_is_not_woken_for_another(web, engine, seats, cache, event_id, viewers):
    since = whole(web, event_id)["version"]
    first, second = (viewers.submit(seats.ask, event_id, since=since, wait=25, section=each) for each in (1, 2))
    until(lambda: seats.waiting == 2, "both wait")

    sell(engine, cache, event_id, 21)
    assert changes(second.result(SOON_SECONDS).json()) == {2: []}
    assert not first.done()
    sell(engine, cache, event_id, 1)

    assert changes(first.result(SOON_SECONDS).json()) == {1: [[0, "s"]]}


def test_a_wait_in_which_nothing_happens_ends_with_nothing_that_a_cache_may_keep(web, seats, event_id):
    since = whole(web, event_id)["version"]

    answer = seats.ask(event_id, since=since, wait=1)

    assert (answer.json()["since"], answer.json()["sections"]) == (since, [])
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_older_version_is_answered_at_once(web, engine, seats, cache, event_id):
    since = whole(web, event_id)["version"]
    sell(engine, cache, event_id, 3)
    sell(engine, cache, event_id, 4)
    until(lambda: seats.ask(event_id).json()["sold"] == 2, "both are seen")

    answer = seats.ask(event_id, since=since, wait=25)

    assert changes(answer.json()) == {1: [[2, "s"], [3, "s"]]}


@pytest.mark.parametrize("since", ["long.ago", "0.0", "r00.1", "ffffffffffffffffff.99999999"])
def test_a_version_of_another_epoch_is_answered_with_everything(seats, event_id, since):
    document = seats.ask(event_id, since=since, wait=25).json()

    assert (document["since"], len(document["sections"])) == (None, 2)


def test_no_more_wait_than_may_wait(web, settings, event_id, viewers):
    since = whole(web, event_id)["version"]
    with running(settings, ONSALE_SEATS_VIEWERS="2") as seats:
        waiting = [viewers.submit(seats.ask, event_id, since=since, wait=25) for _ in range(2)]
        until(lambda: seats.waiting == 2, "both wait")

        refused = seats.ask(event_id, since=since, wait=25)

        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert seats.ask(event_id).status_code == 200
        assert not any(each.done() for each in waiting)


def test_who_goes_away_makes_room(web, seats, event_id):
    since = whole(web, event_id)["version"]
    with suppress(httpx.ReadTimeout), httpx.Client(timeout=0.5) as impatient:
        impatient.get(f"{seats.address}/v1/events/{event_id}/seats/availability", params={"since": since, "wait": "25"})

    until(lambda: seats.waiting == 0, "nobody waits any more", seconds=5)


def test_everybody_who_waits_is_answered_when_it_is_told_to_end(web, seats, event_id, viewers):
    since = whole(web, event_id)["version"]
    waiting = [viewers.submit(seats.ask, event_id, since=since, wait=25) for _ in range(5)]
    until(lambda: seats.waiting == 5, "all wait")

    seats.process.send_signal(signal.SIGTERM)

    assert {each.result(SOON_SECONDS).status_code for each in waiting} == {200}
    assert seats.process.wait(SOON_SECONDS) == 0


def test_a_killed_process_leaves_nobody_answering(seats):
    seats.process.kill()
    seats.process.wait()

    until(lambda: not answers(seats.address), "nobody answers any more")


def test_a_lost_mark_is_seen_by_who_waits_within_ten_seconds(web, engine, seats, cache, event_id, viewers):
    since = whole(web, event_id)["version"]
    waiting = viewers.submit(seats.ask, event_id, since=since, wait=25)
    until(lambda: seats.waiting == 1, "somebody waits")

    sell(engine, cache, event_id, 7, marked=False)

    assert changes(waiting.result(SOON_SECONDS).json()) == {1: [[6, "s"]]}


def test_a_lost_word_of_a_change_is_made_up_for_within_a_second(web, seats, config, event_id, viewers):
    since = whole(web, event_id)["version"]
    waiting = viewers.submit(seats.ask, event_id, since=since, wait=25)
    until(lambda: seats.waiting == 1, "somebody waits")
    keys = EventKeys(event_id)

    with Redis.from_url(config.cache_url) as client:
        epoch, number = since.split(".")
        client.hset(keys.seats_about, "seq", int(number) + 1)
        client.xadd(keys.seats_log, {"c": (5).to_bytes(3, "big") + b"h"}, id=f"{int(number) + 1}-0")

    document = waiting.result(SOON_SECONDS).json()
    assert (document["version"], changes(document)) == (f"{epoch}.{int(number) + 1}", {1: [[4, "h"]]})


def test_a_flushed_redis_is_a_new_epoch_with_the_same_seats(web, engine, seats, cache, redis_client, event_id, viewers):
    sell(engine, cache, event_id, 3)
    since = until(lambda: (seen := seats.ask(event_id).json())["sold"] and seen["version"], "the sale is seen")
    waiting = viewers.submit(seats.ask, event_id, since=since, wait=25)
    until(lambda: seats.waiting == 1, "somebody waits")

    redis_client.flushall()

    document = waiting.result(SOON_SECONDS).json()
    assert document["since"] is None
    assert document["version"].split(".")[0] != since.split(".")[0]
    assert (document["sold"], document["sections"][0]["states"]) == (1, "ffs" + "f" * 17)


def test_seats_nobody_keeps_are_not_shown(seats, engine, event_id):
    other = an_event(engine)

    answer = seats.ask(other, since="a.1", wait=25)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/events/{id}/seats/availability?wait=26", 422),
        ("/v1/events/{id}/seats/availability?wait=-1", 422),
        ("/v1/events/{id}/seats/availability?wait=%D9%A1", 422),
        ("/v1/events/{id}/seats/availability?since=a&since=b", 422),
        ("/v1/events/{id}/seats/availability?since=" + "x" * 101, 422),
        ("/v1/events/{id}/seats/availability?section=2147483648", 422),
        ("/v1/events/{id}/seats/availability?other=1", 422),
        ("/v1/events/{id}/seats/availability?section=3", 200),
        ("/v1/events/{id}/seats", 404),
        ("/v1/events/0/seats/availability", 404),
        ("/v1/events/4294967296/seats/availability", 404),
        ("/", 404),
    ],
)
def test_nothing_else_is_answered_there(seats, event_id, path, status):
    assert httpx.get(seats.address + path.format(id=event_id)).status_code == status


WRONG = [
    *("wait=26", "wait=-1", "wait=01", "wait=", "wait=1.0", "wait=+1", "wait=%D9%A1", "wait", "wait=1_0"),
    *("since=a&since=b", "since=%00", "since=a+b", "since=" + "x" * 101, "since=%C3%A9"),
    *("section=2147483648", "section=00", "section=&wait=x", "other=1", "wait=x&other=1&since=%20&section=y"),
    "&".join(f"x{number}=1" for number in range(20)),
]
RIGHT = ["", "since", "since=", "section=2", "wait=0", "&&", "since=%61.1", "wait=%31"]


def test_what_does_not_fit_is_refused_as_the_web_refuses_it(web, seats, event_id):
    path = f"/v1/events/{event_id}/seats/availability"

    def refused(answer: httpx.Response) -> list[object]:
        document = answer.json()
        fields = [each["field"] for each in document["errors"]]
        return [answer.status_code, *(document[name] for name in ("type", "title", "status", "field")), fields]

    for query in WRONG:
        ours, theirs = (refused(httpx.get(f"{at}{path}?{query}")) for at in (seats.address, web.address))
        assert (query, ours) == (query, theirs)
        assert ours[0] == 422


def test_what_fits_is_told_by_both_with_the_same_tag(web, seats, event_id):
    path = f"/v1/events/{event_id}/seats/availability"

    def alike(query: str) -> bool:
        ours, theirs = (httpx.get(f"{at}{path}?{query}") for at in (seats.address, web.address))
        assert (query, ours.status_code, theirs.status_code) == (query, 200, 200)
        return (ours.content, ours.headers["ETag"]) == (theirs.content, theirs.headers["ETag"])

    for query in RIGHT:
        until(lambda query=query: alike(query), f"both tell the same seats for {query!r}")


def test_what_is_not_there_is_said_as_the_web_says_it(web, seats):
    for path in ("/v1/nothing", "/v1/events/03/seats/availability", "/v1/events/0/seats/availability"):
        ours, theirs = (httpx.get(at + path).json() for at in (seats.address, web.address))
        for name in ("type", "title", "status"):
            assert (path, ours[name]) == (path, theirs[name])


def test_only_get_and_head_are_answered(seats, event_id):
    answer = httpx.post(f"{seats.address}/v1/events/{event_id}/seats/availability")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_redis_that_is_away_sends_viewers_to_the_web(settings, event_id):
    nowhere = {"ONSALE_CACHE_URL": f"redis://{NOWHERE}/0"}
    with running(settings | nowhere) as seats:
        assert seats.ask(event_id, since="a.1", wait=25).status_code == 503
