"""A cache that takes connections and never answers costs a few waits in all, not one for each who asks."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from redis import Redis
from redis.exceptions import TimeoutError as TimedOut

from onsale.config import Config
from onsale.db.ids import EventId
from onsale.queue.catalogue_cache import EVENTS, SEARCHES, Answer, CatalogueCache
from onsale.queue.client import connect
from onsale.queue.live_seats import LiveSeats
from onsale.queue.outage import HUNG_REST_SECONDS, Outage
from onsale.queue.ticket_cache import TicketCache
from onsale.sandbox.ports import LOOPBACK
from onsale.web.box_office import COPIES_ANSWER_SECONDS
from tests.builders import an_event, seat, until
from tests.services.serving import Web, serving

READERS = 8
ANSWER_SECONDS = 0.2


@dataclass
class Hung:
    """Takes every connection, says nothing on any; each question of one who was cut off comes on a new one."""

    listening: socket.socket
    taken: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.listening.getsockname()[1]}/0"

    @property
    def asked(self) -> int:
        return len(self.taken)

    def take(self) -> None:
        with suppress(OSError):
            while True:
                self.taken.append(self.listening.accept()[0])


@pytest.fixture
def hung() -> Iterator[Hung]:
    with socket.create_server((LOOPBACK, 0), backlog=128) as listening:
        server = Hung(listening)
        thread = threading.Thread(target=server.take)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in server.taken:
            each.close()


@pytest.fixture
def client(hung: Hung) -> Iterator[Redis]:
    made = connect(hung.url, answer_seconds=ANSWER_SECONDS)
    yield made
    made.close()


@pytest.fixture
def web(settings: dict[str, str], hung: Hung) -> Iterator[Web]:
    with serving(Config.from_env({**settings, "ONSALE_CACHE_URL": hung.url})) as running:
        yield running


def test_who_has_waited_once_does_not_wait_again(client: Redis, hung: Hung) -> None:
    with pytest.raises(TimedOut):
        client.ping()

    assert hung.asked == 1


def test_all_copies_of_a_client_wait_once_together(client: Redis, hung: Hung) -> None:
    outage = Outage("copies")
    events, searches = CatalogueCache(client, EVENTS, outage), CatalogueCache(client, SEARCHES, outage)

    looks = [cache.look_up(str(place), place).answer for place in range(50) for cache in (events, searches)]

    assert set(looks) == {Answer.ALONE}
    assert hung.asked == 1


def test_tickets_and_seats_wait_once_together(client: Redis, hung: Hung) -> None:
    outage = Outage("seats")
    tickets, live = TicketCache(client, outage), LiveSeats(client, outage)

    for number in range(1, 30):
        assert tickets.taken([seat(EventId(number), 1)]) == frozenset()
        assert live.read(EventId(number), None) is None

    assert (hung.asked, tickets.away, live.away) == (1, True, True)


def test_readers_of_the_web_are_answered_from_the_record_and_few_of_them_wait(web: Web, hung: Hung, engine) -> None:
    event_ids = [an_event(engine) for _ in range(READERS)]
    paths = [f"/v1/events/{event_id}" for event_id in event_ids]
    paths += [f"/v1/search?q=show&limit={limit}" for limit in range(1, READERS)]
    began = time.monotonic()

    with ThreadPoolExecutor(READERS) as readers:
        answers = list(readers.map(web.http.get, paths * 4))

    # However long it took: those that were on their way when it was found out, and one more after each rest.
    rests = (time.monotonic() - began) / HUNG_REST_SECONDS
    assert {each.status_code for each in answers} == {200}
    assert 1 <= hung.asked <= READERS + rests + 1


def test_after_its_rest_it_is_asked_again(web: Web, hung: Hung, engine) -> None:
    first, second = an_event(engine), an_event(engine)
    assert web.http.get(f"/v1/events/{first}").status_code == 200
    before = hung.asked

    def asked_again() -> bool:
        assert web.http.get(f"/v1/events/{second}").status_code == 200
        return hung.asked > before

    until(asked_again, "one asks after the rest", seconds=3 * HUNG_REST_SECONDS + COPIES_ANSWER_SECONDS)
