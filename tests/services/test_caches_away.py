"""Without Redis, or without anybody who follows the changes, the catalogue is told from the record and is right."""

from __future__ import annotations

import pytest

from onsale.config import Config
from onsale.search import SearchQuery
from tests.builders import an_event, run_sql, seen_in_time
from tests.conftest import NOWHERE
from tests.services.serving import serving


@pytest.fixture
def cacheless(settings):
    with serving(Config.from_env({**settings, "ONSALE_CACHE_URL": f"redis://{NOWHERE}/1"})) as web:
        yield web


def price(web, event_id: int) -> int:
    answer = web.http.get(f"/v1/events/{event_id}")
    assert answer.status_code == 200
    return int(answer.json()["sections"][0]["price_minor"])


def test_with_redis_away_events_and_searches_go_on_from_the_record(cacheless, engine, redis_client):
    event_id = an_event(engine)

    assert price(cacheless, event_id) == 4500
    run_sql(engine, "UPDATE sections SET price_minor = 1")
    seen_in_time(lambda: price(cacheless, event_id) == 1, "the new price is told", seconds=1.0)

    assert cacheless.http.get(f"/events/{event_id}").status_code == 200
    assert cacheless.http.get("/").status_code == 200
    found = cacheless.office.shows.search(SearchQuery(text="show"))
    assert [hit.event_id for hit in found.hits] == [event_id]


def test_with_nobody_who_follows_a_change_is_seen_within_a_second(web, engine):
    event_id = an_event(engine)
    assert price(web, event_id) == 4500

    run_sql(engine, "UPDATE sections SET price_minor = 1")

    seen_in_time(lambda: price(web, event_id) == 1, "the new price is told", seconds=1.0)


def test_an_event_that_is_not_there_is_not_there(web, engine):
    assert web.http.get("/v1/events/999").status_code == 404
    assert web.http.get("/events/999").status_code == 404
