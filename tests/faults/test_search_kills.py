"""The index equals the record after every kill -9 of its follower and of Elasticsearch, while the record changes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Engine, text

from onsale.db.engine import transaction
from onsale.errors import SearchUnavailable
from onsale.sandbox.elasticsearch import EmbeddedElasticsearch
from onsale.sandbox.embedded import poll
from onsale.search.comparing import differences
from onsale.search.event_index import ALIAS, EventIndex
from tests.builders import a_show
from tests.conftest import started
from tests.worker_processes import kill, running

EVENTS = 300
CHANGES_PER_SECOND = 200
AGREE_SECONDS = 60
INDEX_SECONDS_MAX = 60

pytestmark = pytest.mark.slow


@pytest.fixture
def elasticsearch() -> Iterator[EmbeddedElasticsearch]:
    """A node of this test's own, to be killed."""
    with started(EmbeddedElasticsearch) as node:
        yield node


@pytest.fixture
def shows(engine: Engine, slot) -> list[int]:
    """Published events, and a slot that is gone with the test."""
    return [int(a_show(engine, f"Show {number}", [f"Band {number % 20}"])) for number in range(EVENTS)]


@contextmanager
def changing(engine: Engine, shows: list[int], chance: random.Random) -> Iterator[None]:
    """Names, dates, withdrawals, artists: CHANGES_PER_SECOND of them, until the end of the block."""
    stop = threading.Event()

    def change() -> None:
        began = time.monotonic()
        for number in range(1_000_000):
            if stop.wait(max(0.0, began + number / CHANGES_PER_SECOND - time.monotonic())):
                return
            with transaction(engine) as connection:
                asked = {"id": chance.choice(shows), "word": f"{chance.getrandbits(48):x}"}
                connection.execute(text(chance.choice(CHANGES)), asked)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


CHANGES = (
    "UPDATE events SET name = :word WHERE id = :id",
    "UPDATE events SET starts_at = starts_at + interval '1 hour' WHERE id = :id",
    "UPDATE events SET status = CASE status WHEN 'draft' THEN 'published' ELSE 'draft' END WHERE id = :id",
    "UPDATE artists SET name = :word WHERE id = (SELECT artist_id FROM event_artists WHERE event_id = :id LIMIT 1)",
    "DELETE FROM event_artists WHERE event_id = :id",
)


def there_is_an_index(index: EventIndex) -> bool:
    with suppress(SearchUnavailable):
        return bool(index.named(ALIAS))
    return False


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_the_index_equals_the_record_after_every_kill(engine, settings, elasticsearch, shows, tmp_path, kills):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    given = {**settings, "ONSALE_SEARCH_URL": elasticsearch.url()}
    index = EventIndex(elasticsearch.url())
    with running("changes", given, tmp_path):
        assert poll(lambda: there_is_an_index(index), seconds=INDEX_SECONDS_MAX)

    victims = ["follower", "elasticsearch"] * (kills // 2)
    chance.shuffle(victims)
    for victim in victims:
        with running("changes", given, tmp_path) as follower, changing(engine, shows, chance):
            time.sleep(chance.uniform(0.2, 1.5))  # The seeded moment, not a wait for something.
            if victim == "follower":
                kill(follower)
            else:
                elasticsearch.kill()
                assert elasticsearch.start_again_if_ended()
        with running("changes", given, tmp_path):
            assert differences(engine, index, ALIAS, agree_seconds=AGREE_SECONDS) == []
