"""The web behind a real nginx with the file of `deploy/`: what it keeps, what it must never keep, whom it believes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from onsale.config import Config
from onsale.sandbox.embedded import PartMissing
from onsale.sandbox.nginx import EmbeddedNginx
from onsale.sandbox.ports import free_port
from tests.builders import an_event, open_queue, set_queue
from tests.conftest import missing
from tests.services.serving import Person, Web, serving

POLLS = 400
# A second of polling, with the cache's whole seconds and a slow machine.
QUESTIONS_MAX = 4


@dataclass(frozen=True)
class Front:
    """The web and the proxy that people see."""

    web: Web
    nginx: EmbeddedNginx
    http: httpx.Client

    def guest(self) -> Person:
        session = self.http.post("/v1/guests", json={}).raise_for_status().json()
        return Person(self.http, session["token"], session["buyer_id"])

    def reached_the_web(self, path: str) -> list[str]:
        return [each.cache for each in self.nginx.upstream() if each.path == path]


@contextmanager
def behind_nginx(config: Config, folder: Path) -> Iterator[Front]:
    with serving(replace(config, trusted_proxies=1)) as web:
        proxy = EmbeddedNginx(folder, web_port=int(web.address.rpartition(":")[2]), seats_port=free_port())
        try:
            proxy.start()
            with httpx.Client(base_url=proxy.url, timeout=20, limits=httpx.Limits(max_connections=60)) as http:
                yield Front(web, proxy, http)
        except PartMissing as reason:
            missing(reason)
        finally:
            proxy.stop()


@pytest.fixture
def front(config, engine, tmp_path) -> Iterator[Front]:
    with behind_nginx(config, tmp_path / "nginx") as both:
        yield both


@pytest.fixture
def event_id(engine, shop):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


def test_a_crowd_that_polls_the_status_asks_the_web_once_a_second(front, event_id):
    path = f"/v1/events/{event_id}/queue"

    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda _: front.http.get(path), range(POLLS)))

    assert {answer.status_code for answer in answers} == {200}
    assert 1 <= len(front.reached_the_web(path)) <= QUESTIONS_MAX


def test_whoever_has_the_newest_status_is_told_so_in_a_few_bytes(front, event_id):
    path = f"/v1/events/{event_id}/queue"
    first = front.http.get(path)

    again = front.http.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_what_is_personal_is_never_kept(front, event_id):
    one, other = front.guest(), front.guest()
    numbers = [person.join(event_id)["number"] for person in (one, other)]

    mine = [person.get(f"/v1/events/{event_id}/queue/me") for person in (one, other, one)]

    assert [answer.json()["number"] for answer in mine] == [*numbers, numbers[0]]
    assert set(front.reached_the_web(f"/v1/events/{event_id}/queue/me")) <= {"MISS", "BYPASS", "EXPIRED"}


def test_a_page_that_sets_a_cookie_is_never_kept(front, event_id):
    cookies = []
    for _ in range(2):
        with httpx.Client(base_url=front.nginx.url, follow_redirects=True) as visitor:
            visitor.get(f"/events/{event_id}/queue").raise_for_status()
            cookies.append(dict(visitor.cookies))

    assert all(cookies)
    assert cookies[0] != cookies[1]


def test_joins_go_through_one_by_one(front, event_id):
    numbers = {front.guest().join(event_id)["number"] for _ in range(3)}

    assert numbers == {1, 2, 3}


def test_nobody_gets_another_address_by_saying_so(front, engine, shop, event_id):
    set_queue(engine, event_id, address_limit=1)
    open_queue(shop, event_id)
    path, claims = f"/v1/events/{event_id}/queue", ("203.0.113.7", "203.0.113.8")

    answers = [front.guest().post(path, x_forwarded_for=claim).status_code for claim in claims]

    assert answers == [201, 429]


def test_who_waits_for_a_seat_waits_at_the_other_part(front, event_id):
    """Nobody listens there in this test, so it shows."""
    path = f"/v1/events/{event_id}/seats/availability"

    asked, waited = front.http.get(path), front.http.get(f"{path}?wait=5")

    assert (asked.status_code, waited.status_code) == (200, 502)


def test_the_status_outlives_the_web_for_a_while(config, engine, shop, event_id, tmp_path):
    path = f"/v1/events/{event_id}/queue"
    with behind_nginx(config, tmp_path / "nginx") as front:
        before = front.http.get(path)
        front.web.stop()

        after = [front.http.get(path) for _ in range(3)]
        elsewhere = front.http.get("/v1/events/2/queue")

    assert [answer.json() for answer in after] == [before.json()] * 3
    assert elsewhere.status_code == 502


def test_what_is_measured_is_not_for_everybody(front):
    assert front.http.get("/metrics").status_code == 404
