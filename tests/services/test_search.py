"""One contract for search on PostgreSQL and on Elasticsearch: words as beginnings, near misses, days, pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from elasticsearch import Elasticsearch
from sqlalchemy import Engine

from onsale.db import catalogue
from onsale.db.catalogue import EventStatus, NewSection, Venue
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.errors import BadRequest
from onsale.search import Between, Near, Search, SearchPage, SearchQuery, Sort, cursors, documents
from onsale.search.elasticsearch import ElasticsearchSearch
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.postgres import PostgresSearch
from tests.builders import a_show, run_sql

NOW = datetime.now(UTC)
INDEX = "onsale-events-of-a-test"
# In the form of a cursor, and of no search: numbers nothing can be compared with, too few, of other types.
MADE_UP = [
    cursors.written(kind=kind, after=after)
    for kind in ("e", "find_events", "nothing")
    for after in (
        [1.0, 1, 2**64 - 1],
        [1.0, 2**63, 1],
        [1e300, 1, 1],
        [1e-300, 1, 1],
        [1.0, 1],
        [1.0, True, 1],
        [1.0, "2026-01-01", 1],
        [None, 1, 1],
    )
]
VIENNA = Venue(1, "Musikverein", "Wien", "AT", "Wien", 48.2, 16.37, 1744)
PARIS = Venue(2, "Philharmonie de Paris", "Paris", "FR", "Île-de-France", 48.89, 2.39, 2400)
OSLO = Venue(3, "Oslo Spektrum", "Oslo", "NO", "Oslo", 59.91, 10.75, 9700)


def show(engine: Engine, name: str, *artists: str, venue: Venue = VIENNA, days: float = 10, **changed) -> EventId:
    return a_show(engine, name, artists, venue=venue, starts_at=NOW + timedelta(days=days), **changed)


@pytest.fixture
def shows(engine: Engine) -> dict[str, EventId]:
    return {
        "winter": show(engine, "Winterreise", "Ágnes Kovács", "The Night Trains", days=3),
        "night": show(engine, "A Night in Paris", "Björk Ólafsdóttir", venue=PARIS, days=20),
        "loud": show(engine, "Loud and Louder", "The Night Trains", venue=OSLO, days=40),
    }


class IndexedSearch:
    """Elasticsearch's search, with an index that is given the record before each question."""

    def __init__(self, index: EventIndex, client: Elasticsearch) -> None:
        self._index = index
        self._search = ElasticsearchSearch(client)
        self._versions = count(1)
        self._seen: set[int] = set()
        # The record of the test that asks.
        self.engine: Engine | None = None
        index.create(INDEX, alias=ALIAS)

    def search(self, query: SearchQuery) -> SearchPage:
        assert self.engine is not None
        with self.engine.connect() as connection:
            ids = documents.event_ids_after(connection, 0)
            self._seen.update(ids)
            wanted = documents.documents(connection, sorted(self._seen))
        self._index.write(INDEX, wanted, version=next(self._versions))
        self._index.refresh(INDEX)
        return self._search.search(query)


@pytest.fixture(scope="module")
def indexed_search(elasticsearch_server) -> Iterator[IndexedSearch]:
    url = elasticsearch_server.url()
    with EventIndex(url) as index, Elasticsearch(url) as client:
        yield IndexedSearch(index, client)
        index.delete(INDEX)


@pytest.fixture
def postgres_search(engine: Engine) -> PostgresSearch:
    return PostgresSearch(engine)


@pytest.fixture
def elasticsearch_search(engine: Engine, indexed_search: IndexedSearch) -> IndexedSearch:
    indexed_search.engine = engine
    return indexed_search


@pytest.fixture(params=["postgres", "elasticsearch"])
def search(request: pytest.FixtureRequest) -> Search:
    return request.getfixturevalue(f"{request.param}_search")


def found(search: Search, shows: dict[str, EventId], **asked) -> set[str]:
    names = {event_id: name for name, event_id in shows.items()}
    return {names[EventId(hit.event_id)] for hit in search.search(SearchQuery(**asked)).hits}


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, {"winter", "night", "loud"}),
        ({"artist": "night trains"}, {"winter", "loud"}),
        ({"artist": "NIGHT"}, {"winter", "loud"}),
        ({"artist": "agnes kovacs"}, {"winter"}),
        ({"artist": "bjö"}, {"night"}),
        ({"location": "wien"}, {"winter"}),
        ({"location": "ile-de-france"}, {"night"}),
        ({"location": "philharmonie"}, {"night"}),
        ({"location": "no"}, {"loud"}),
        ({"text": "night"}, {"winter", "night", "loud"}),
        ({"text": "night paris"}, {"night"}),
        ({"text": "lou"}, {"loud"}),
        ({"text": "trains oslo"}, {"loud"}),
        ({"artist": "trains", "location": "oslo"}, {"loud"}),
        ({"artist": "trains", "location": "paris"}, set()),
        ({"text": "nothing of the kind"}, set()),
    ],
)
def test_all_words_must_fit_as_words_or_beginnings(search, shows, asked, wanted):
    assert found(search, shows, **asked) == wanted


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"text": "wintereise"}, {"winter"}),
        ({"location": "philharmnie"}, {"night"}),
        ({"artist": "Olafsdotir"}, {"night"}),
        ({"artist": "kovasc", "location": "musikferein"}, {"winter"}),
        ({"text": "zzzzzz"}, set()),
    ],
)
def test_what_is_misspelt_is_found_nearly(search, shows, asked, wanted):
    assert found(search, shows, **asked) == wanted


def test_without_pg_trgm_only_beginnings_are_found(engine, shows):
    run_sql(engine, "DROP EXTENSION pg_trgm CASCADE")
    search = PostgresSearch(engine)

    assert found(search, shows, text="wintereise") == set()
    assert found(search, shows, text="winter") == {"winter"}


@pytest.mark.parametrize(
    "text", ["& | ! ( )", "':*", "a & b", "\\", "%", "' OR 1=1 --", "<->", "\x00night", "ñ" * 200, "²", "a:b*c"]
)
def test_no_text_breaks_the_search(search, shows, text):
    search.search(SearchQuery(text=text))
    search.search(SearchQuery(artist=text, location=text))


def test_days_limit_what_is_found(search, shows):
    def within(first: float | None, end: float | None) -> set[str]:
        moments = [None if days is None else NOW + timedelta(days=days) for days in (first, end)]
        return found(search, shows, when=Between(*moments))

    assert within(0, 10) == {"winter"}
    assert within(10, None) == {"night", "loud"}
    assert within(None, 30) == {"winter", "night"}
    assert within(20, 20.001) == {"night"}
    assert within(100, None) == set()


@pytest.mark.parametrize(
    ("near", "wanted"),
    [
        (Near(48.2, 16.37, 1), {"winter"}),
        (Near(48.85, 2.35, 10), {"night"}),
        (Near(48.85, 2.35, 1_200), {"night", "winter"}),
        # Bratislava is 55 km from Vienna's Musikverein.
        (Near(48.145, 17.107, 50), set()),
        (Near(48.145, 17.107, 60), {"winter"}),
        (Near(-33.86, 151.2, 20_040), {"winter", "night", "loud"}),
    ],
)
def test_what_is_near_is_found_as_the_crow_flies(search, shows, near, wanted):
    assert found(search, shows, near=near) == wanted


def test_the_nearest_or_the_first_comes_first_page_by_page(search, shows):
    paris = Near(48.85, 2.35, 20_000)

    def in_order(**asked) -> list[int]:
        seen, cursor = [], None
        for _ in shows:
            page = search.search(SearchQuery(page_size=1, cursor=cursor, **asked))
            seen += [hit.event_id for hit in page.hits]
            cursor = page.next_cursor
        assert cursor is None
        return seen

    by_name = shows.__getitem__
    assert in_order(near=paris, sort=Sort.DISTANCE) == list(map(by_name, ("night", "winter", "loud")))
    assert in_order(text="night", sort=Sort.DATE) == list(map(by_name, ("winter", "night", "loud")))


def test_only_published_shows_that_have_not_begun_are_found(engine, search, shows):
    show(engine, "Draft", status=EventStatus.DRAFT)
    yesterday = show(engine, "Yesterday", days=-1)

    assert found(search, shows) == set(shows)
    past = search.search(SearchQuery(when=Between(NOW - timedelta(days=2), NOW)))
    assert [hit.event_id for hit in past.hits] == [yesterday]


def test_a_hit_has_what_a_list_needs(engine, search, shows):
    sections = [NewSection(1, "A", 9000, standing=1), NewSection(2, "B", 4000, standing=1)]
    with transaction(engine) as connection:
        catalogue.add_sections(connection, shows["winter"], sections)

    (hit,) = search.search(SearchQuery(text="winterreise")).hits

    assert (hit.name, hit.venue, hit.city, hit.country) == ("Winterreise", "Musikverein", "Wien", "AT")
    assert hit.artists == ("Ágnes Kovács", "The Night Trains")
    assert (hit.price_min_minor, hit.price_max_minor, hit.currency) == (4000, 9000, "eur")


def test_a_changed_name_artist_venue_or_status_is_found_at_once(engine, search, shows):
    run_sql(engine, "UPDATE events SET name = 'Summer' WHERE name = 'Winterreise'")
    run_sql(engine, "UPDATE artists SET name = 'The Day Trains' WHERE name = 'The Night Trains'")
    run_sql(engine, "UPDATE venues SET city = 'Bergen' WHERE id = 3")

    assert found(search, shows, text="summer") == {"winter"}
    assert found(search, shows, artist="day trains") == {"winter", "loud"}
    assert found(search, shows, location="bergen") == {"loud"}
    assert found(search, shows, text="winterr", when=Between(NOW, None)) == set()


def test_pages_follow_each_other_without_gap_or_repeat(engine, search):
    made = [show(engine, f"Series {n}", days=n + 1) for n in range(7)]

    seen, cursor = [], None
    for size in (3, 3, 1):
        page = search.search(SearchQuery(text="series", page_size=3, cursor=cursor))
        assert (len(page.hits), page.total) == (size, 7)
        seen += [hit.event_id for hit in page.hits]
        cursor = page.next_cursor

    assert seen == made
    assert cursor is None


def test_a_fitting_title_comes_before_a_fitting_city(engine, search):
    city = show(engine, "Evening", venue=PARIS, days=1)
    title = show(engine, "Paris", venue=OSLO, days=30)

    assert [hit.event_id for hit in search.search(SearchQuery(text="paris")).hits] == [title, city]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "-1"}, "cursor"),
        ({"cursor": "99999999"}, "cursor"),
        *(({"cursor": each}, "cursor") for each in MADE_UP),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"text": "x" * 201}, "text"),
        ({"artist": "x" * 201}, "artist"),
        ({"location": "x" * 201}, "location"),
        ({"near": Near(90.1, 0, 1)}, "latitude"),
        ({"near": Near(0, float("nan"), 1)}, "longitude"),
        ({"near": Near(0, 0, 0)}, "radius_km"),
        ({"near": Near(0, 0, 20_041)}, "radius_km"),
        ({"sort": Sort.DISTANCE}, "sort"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(search, shows, asked, field):
    with pytest.raises(BadRequest) as refused:
        search.search(SearchQuery(**asked))

    assert refused.value.field == field
