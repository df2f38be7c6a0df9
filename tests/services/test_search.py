"""One contract for search on PostgreSQL and on Elasticsearch: words as beginnings, near misses, days, pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from elasticsearch import Elasticsearch
from sqlalchemy import Engine, text

from onsale.db import catalogue
from onsale.db.catalogue import EventStatus, NewSection, Venue
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.errors import BadRequest
from onsale.search import (
    Between,
    Counted,
    Filters,
    Near,
    PriceBand,
    Search,
    SearchPage,
    SearchQuery,
    Sort,
    Suggested,
    Suggestion,
    cursors,
    documents,
    postgres,
    sql,
)
from onsale.search.elasticsearch import ElasticsearchSearch
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.opening import asking
from onsale.search.postgres import PostgresSearch
from tests.builders import PATIENCE_SECONDS, VENUE, a_show, run_sql

NOW = datetime.now(UTC)
INDEX = "onsale-events-of-a-test"
# In the form of a cursor, and of no search: numbers nothing can be compared with, too few, of other types.
MADE_UP = [
    cursors.written(kind=kind, after=after)
    for kind in ("e", "n", "w", "m", "nothing")
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


def three_shows(engine: Engine) -> dict[str, EventId]:
    return {
        "winter": show(engine, "Winterreise", "Ágnes Kovács", "The Night Trains", days=3),
        "night": show(engine, "A Night in Paris", "Björk Ólafsdóttir", venue=PARIS, days=20),
        "loud": show(engine, "Loud and Louder", "The Night Trains", venue=OSLO, days=40),
    }


@pytest.fixture
def shows(engine: Engine) -> dict[str, EventId]:
    return three_shows(engine)


@pytest.fixture(scope="module")
def standing_shows(standing_engine: Engine) -> dict[str, EventId]:
    """The same for all tests of this file that change nothing."""
    return three_shows(standing_engine)


class IndexedSearch:
    """Elasticsearch's search, with an index that is given the record before each question."""

    def __init__(self, index: EventIndex, client: Elasticsearch) -> None:
        self._index = index
        # What is found is asked here, not how soon: a busy machine's node may take longer than a buyer would wait.
        self._search = ElasticsearchSearch(client, answer_seconds=PATIENCE_SECONDS)
        self._versions = count(1)
        self._seen: set[int] = set()
        self._written: dict[int, documents.Document | None] = {}
        # The record of the test that asks.
        self.engine: Engine | None = None
        index.create(INDEX, alias=ALIAS)

    def search(self, query: SearchQuery) -> SearchPage:
        self._catch_up()
        return self._search.search(query)

    def suggest(self, text: str) -> tuple[Suggestion, ...]:
        self._catch_up()
        return self._search.suggest(text)

    def _catch_up(self) -> None:
        assert self.engine is not None
        with self.engine.connect() as connection:
            ids = documents.event_ids_after(connection, 0)
            self._seen.update(ids)
            wanted = documents.documents(connection, sorted(self._seen))
        if wanted != self._written:
            self._index.write(INDEX, wanted, version=next(self._versions))
            self._index.refresh(INDEX)
            self._written = wanted


@pytest.fixture(scope="module")
def indexed_search(elasticsearch_server) -> Iterator[IndexedSearch]:
    url = elasticsearch_server.url()
    with EventIndex(url) as index, asking(url) as client:
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


@pytest.fixture(params=["postgres", "elasticsearch"])
def standing_search(request: pytest.FixtureRequest, standing_engine: Engine) -> Search:
    """Search in the standing shows."""
    if request.param == "postgres":
        return PostgresSearch(standing_engine)
    indexed: IndexedSearch = request.getfixturevalue("indexed_search")
    indexed.engine = standing_engine
    return indexed


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
def test_all_words_must_fit_as_words_or_beginnings(standing_search, standing_shows, asked, wanted):
    assert found(standing_search, standing_shows, **asked) == wanted


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
def test_what_is_misspelt_is_found_nearly(standing_search, standing_shows, asked, wanted):
    assert found(standing_search, standing_shows, **asked) == wanted


def test_without_pg_trgm_only_beginnings_are_found(engine, shows):
    run_sql(engine, "DROP EXTENSION pg_trgm CASCADE")
    search = PostgresSearch(engine)

    assert found(search, shows, text="wintereise") == set()
    assert found(search, shows, text="winter") == {"winter"}
    assert search.suggest("wintereis") == ()
    assert search.suggest("winter") != ()


# What shows, artists and places are called, and what else each is found by.
NAMES = [
    ("Йошкар-Ола", ["иошкар", "ола", "йошкарола"]),
    ("Ёлка", ["елка"]),
    ("Σίσυφος", ["σισυφος", "σισυφοσ", "ΣΊΣΥ"]),
    ("Sơn Tùng", ["son tung"]),
    ("Đặng Thái Sơn", ["dang thai"]),
    ("Győr Țăndărică Oğuz", ["gyor", "tandarica", "oguz"]),
    ("방탄소년단 콘서트", ["방탄", "콘서"]),
    ("हिन्दी कवि सम्मेलन", ["हिन्दी", "कवि", "सम्मे"]),
    ("कार्तिक फ़िल्म", ["फिल्म"]),
    ("ดนตรีไทย น้ำตก", ["ดนตรี", "น้ำตก"]),
    ("夜の街", ["夜", "街", "夜の"]),
    ("ガンダム", ["ガン"]),
    ("أم كلثوم", ["ام كلثوم"]),
    ("שָׁלוֹם", ["שלום"]),
    ("ﬁnale Ĳsselmeer m²", ["finale", "ijssel", "m2"]),
    ("Straße Æther Œuvre Þórr", ["strasse", "aether", "oeuvre", "thorr"]),
    ("I\u015f\u0131k Kad\u0131k\u00f6y", ["isik", "kadikoy", "I\u015eIK"]),
    ("AC/DC", ["ac dc", "acdc", "dc"]),
    ("N.E.R.D", ["nerd", "n.e.r.d.", "n e r d"]),
    ("Mr.Big", ["mr big", "big", "mrbig"]),
    ("Blink-182", ["blink 182", "blink182", "182"]),
    ("Season 2026/27", ["2026", "2026/27", "27"]),
    ("snake_case", ["case", "snake"]),
    ("Keeper's", ["keepers", "keeper", "keeper\u2019s"]),
    ("Paral·lel", ["parallel", "paral"]),
]
FRAKTUR_NIGHT = "\U0001d52b\U0001d526\U0001d524\U0001d525\U0001d531"
# Operators of both engines, of regular expressions and wildcards; Unicode that grows, hides, stacks or turns around.
HOSTILE = [
    "& | ! ( )",
    "':*",
    "a & b",
    "\\",
    "%",
    "' OR 1=1 --",
    "<->",
    "\x00night",
    "ñ" * 200,
    "²",
    "a:b*c",
    "*",
    "*" * 200,
    "?" * 200,
    "/.*(a+)+$/",
    "(a|aa)+" * 25,
    "name:night AND _exists_:slug",
    "night~10 ^9999",
    "[* TO *]",
    '{"match_all": {}}',
    "a " * 100,
    "ab " * 66,
    "a\u0301" * 100,
    "\u0301" * 200,
    "\u202egnalb",
    "\u200b\u200d\ufeff",
    "\ud800 night",
    "\ufdfa" * 200,
    "ﬀ" * 200,
    FRAKTUR_NIGHT,
    "夜の街",
    "ليلة",
    "👩‍👩‍👧‍👦" * 15,
    "\ue000\uffff",
    "NULL",
    "-1",
    "1e309",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_the_search(standing_search, standing_shows, text):
    standing_search.search(SearchQuery(text=text, facets=True))
    standing_search.search(SearchQuery(artist=text, location=text))
    standing_search.suggest(text)
    with suppress(BadRequest):
        standing_search.search(SearchQuery(filters=Filters(cities=(text,), genres=(text,))))


def bare(name: str) -> str:
    """Without what Unicode puts above and below letters; a vowel of Hindi is not that."""
    return "".join(each for each in unicodedata.normalize("NFD", name) if not "\u0300" <= each <= "\u036f")


@pytest.mark.parametrize(("name", "also"), NAMES)
def test_a_name_is_found_however_it_is_typed(engine, search, shows, name, also):
    titled = {"titled": show(engine, name, "Somebody"), "played": show(engine, "Something", name)}
    placed = {"placed": show(engine, "Something", venue=replace(VENUE, id=9, name=name))}

    forms = [unicodedata.normalize(form, name) for form in ("NFD", "NFKC")]
    for typed in (name, *forms, bare(name), name.upper(), *also):
        assert found(search, titled | placed | shows, text=typed) == {"titled", "played", "placed"}, typed
        assert {one.text for one in search.suggest(typed)} == {name}, typed
    assert found(search, titled | placed | shows, artist=name) == {"played"}
    assert found(search, titled | placed | shows, location=name) == {"placed"}


def test_a_word_is_found_by_a_beginning_of_any_length(engine, search, shows):
    thai = "งานดนตรีในสวนกรุงเทพมหานครครั้งที่สิบสอง"
    long = {"long": show(engine, thai)}

    assert found(search, long | shows, text=thai[:35]) == {"long"}
    assert found(search, long | shows, text="x" * 35) == set()


def test_letters_in_another_dress_are_the_same_letters(search, shows):
    assert found(search, shows, text=f"{FRAKTUR_NIGHT} paris") == {"night"}


def test_no_more_than_ten_words_of_a_text_are_looked_for(search, shows):
    assert found(search, shows, text="winterreise " * 10 + "zebra") == {"winter"}


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
def test_what_is_near_is_found_as_the_crow_flies(standing_search, standing_shows, near, wanted):
    assert found(standing_search, standing_shows, near=near) == wanted


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
        ({"filters": Filters(cities=("x" * 201,))}, "city"),
        ({"filters": Filters(cities=("\x00",))}, "city"),
        ({"filters": Filters(genres=("\ud800",))}, "genre"),
        ({"filters": Filters(genres=tuple(str(n) for n in range(21)))}, "genre"),
        ({"filters": Filters(months=("2026-13",))}, "month"),
        ({"filters": Filters(months=("2026-1",))}, "month"),
        ({"filters": Filters(price_min_minor=-1)}, "price_min_minor"),
        ({"filters": Filters(price_max_minor=10**12 + 1)}, "price_max_minor"),
        ({"filters": Filters(price_min_minor=2, price_max_minor=1)}, "price_max_minor"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(standing_search, standing_shows, asked, field):
    with pytest.raises(BadRequest) as refused:
        standing_search.search(SearchQuery(**asked))

    assert refused.value.field == field


@pytest.fixture
def priced(engine: Engine, shows: dict[str, EventId]) -> dict[str, EventId]:
    """The same shows with genres and prices; one has no tickets yet, one is sold out."""
    wanted = {"winter": [("A", 9000), ("B", 4000)], "night": [("A", 2500)]}
    with transaction(engine) as connection:
        for name, sections in wanted.items():
            blocks = [NewSection(n, label, price, standing=1) for n, (label, price) in enumerate(sections, start=1)]
            catalogue.add_sections(connection, shows[name], blocks)
    for name, genre in (("winter", "Classical"), ("night", "Folk"), ("loud", "Classical")):
        run_sql(engine, f"UPDATE events SET genre = '{genre}' WHERE id = {shows[name]}")
    run_sql(engine, f"UPDATE events SET sold_out = true WHERE id = {shows['night']}")
    return shows


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (Filters(cities=("Wien",)), {"winter"}),
        (Filters(cities=("Wien", "Paris")), {"winter", "night"}),
        (Filters(cities=("wien",)), set()),
        (Filters(genres=("Classical",)), {"winter", "loud"}),
        (Filters(genres=("Classical",), cities=("Oslo", "Paris")), {"loud"}),
        (Filters(price_max_minor=4000), {"winter", "night"}),
        (Filters(price_max_minor=3999), {"night"}),
        (Filters(price_min_minor=9000), {"winter"}),
        (Filters(price_min_minor=9001), set()),
        (Filters(price_min_minor=5000, price_max_minor=8000), {"winter"}),
    ],
)
def test_filters_leave_what_fits_one_value_of_each(search, priced, filters, wanted):
    assert found(search, priced, filters=filters) == wanted


def test_a_month_is_a_filter(search, priced):
    months = {f"{NOW + timedelta(days=days):%Y-%m}" for days in (3, 20)}
    wanted = {name for name, days in (("winter", 3), ("night", 20), ("loud", 40)) if month_in(days) in months}

    assert found(search, priced, filters=Filters(months=tuple(months))) == wanted


def month_in(days: float) -> str:
    return f"{NOW + timedelta(days=days):%Y-%m}"


def test_what_is_sold_out_is_said_and_left_out_when_asked(search, priced):
    assert {hit.event_id: hit.sold_out for hit in search.search(SearchQuery()).hits} == {
        priced["winter"]: False,
        priced["night"]: True,
        priced["loud"]: False,
    }
    assert found(search, priced, available=True) == {"winter", "loud"}


def test_a_genre_is_found_by_its_word(search, priced):
    assert found(search, priced, text="classical") == {"winter", "loud"}
    assert found(search, priced, text="folk paris") == {"night"}


def test_a_facet_counts_what_would_be_left_without_its_own_filter(search, priced):
    filters = Filters(cities=("Wien",), genres=("Classical",))

    facets = search.search(SearchQuery(filters=filters, facets=True)).facets

    assert facets.cities == (Counted("Oslo", 1), Counted("Wien", 1))
    assert facets.genres == (Counted("Classical", 1),)
    assert facets.months == (Counted(month_in(3), 1),)
    assert facets.prices == (PriceBand(2500, 5000, 1), PriceBand(5000, 10000, 1))


def test_facets_say_how_many_a_click_would_find(search, priced):
    facets = search.search(SearchQuery(facets=True)).facets

    for one in facets.cities:
        assert search.search(SearchQuery(filters=Filters(cities=(one.value,)))).total == one.count
    for one in facets.genres:
        assert search.search(SearchQuery(filters=Filters(genres=(one.value,)))).total == one.count
    for one in facets.months:
        assert search.search(SearchQuery(filters=Filters(months=(one.value,)))).total == one.count
    for band in facets.prices:
        prices = Filters(price_min_minor=band.min_minor, price_max_minor=band.max_minor)
        assert search.search(SearchQuery(filters=prices)).total == band.count
    assert [one.value for one in facets.months] == sorted(one.value for one in facets.months)


def test_facets_of_a_misspelt_search_are_those_of_what_is_found_nearly(search, priced):
    page = search.search(SearchQuery(text="wintereise", facets=True))

    assert (page.total, page.facets.cities) == (1, (Counted("Wien", 1),))


def test_facets_are_counted_when_the_filters_leave_nothing(search, priced):
    page = search.search(SearchQuery(filters=Filters(cities=("Nowhere",)), facets=True))

    assert (page.hits, page.total) == ((), 0)
    assert {one.value for one in page.facets.cities} == {"Wien", "Paris", "Oslo"}


def test_pages_by_date_follow_each_other_where_nothing_is_ranked(search, shows):
    first = search.search(SearchQuery(page_size=2))
    second = search.search(SearchQuery(page_size=2, cursor=first.next_cursor))

    assert [hit.event_id for hit in (*first.hits, *second.hits)] == [
        shows[name] for name in ("winter", "night", "loud")
    ]
    assert second.next_cursor is None


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("ni", [(Suggested.ARTIST, "The Night Trains"), (Suggested.EVENT, "A Night in Paris")]),
        ("the ni", [(Suggested.ARTIST, "The Night Trains")]),
        ("bjo", [(Suggested.ARTIST, "Björk Ólafsdóttir")]),
        ("wi", [(Suggested.EVENT, "Winterreise"), (Suggested.CITY, "Wien")]),
        ("oslo s", [(Suggested.VENUE, "Oslo Spektrum")]),
        ("par", [(Suggested.CITY, "Paris"), (Suggested.EVENT, "A Night in Paris"), (Suggested.VENUE, PARIS.name)]),
        ("", []),
        ("!?", []),
        ("zzzzzz", []),
    ],
)
def test_what_is_typed_is_completed_to_artists_shows_and_places(standing_search, standing_shows, typed, wanted):
    assert [(one.kind, one.text) for one in standing_search.suggest(typed)] == wanted


def test_a_suggested_show_is_the_next_of_its_name_that_has_not_begun(engine, search):
    show(engine, "Matinee", days=-1)
    later, sooner = show(engine, "Matinee", days=9), show(engine, "Matinee", days=5)

    assert [one.event_id for one in search.suggest("mat")] == [sooner] != [later]


def test_a_slip_in_what_is_typed_is_forgiven(search, shows):
    assert search.suggest("wintereis")[0].text == "Winterreise"
    assert search.suggest("olafsdotir")[0].text == "Björk Ólafsdóttir"
    assert search.suggest("nigth trains")[0].text == "The Night Trains"


def test_a_suggestion_for_too_much_text_is_refused(search, shows):
    with pytest.raises(BadRequest):
        search.suggest("x" * 201)


def test_what_is_typed_is_looked_up_by_index(engine, shows):
    run_sql(
        engine,
        "INSERT INTO events (organiser_id, venue_id, name, slug, description, starts_at, on_sale_at, currency,"
        "                    tickets_per_buyer, status) "
        "SELECT organiser_id, venue_id, md5(n::text), slug || n, '', starts_at, on_sale_at, currency, 8, status "
        f"  FROM events, generate_series(1, 2000) AS n WHERE id = {shows['winter']}",
    )
    run_sql(engine, "ANALYZE")
    typed = {"terms": "'wintr':*", "title_terms": "'wintr':*A", "words": "wintr", "limit": 60}
    asked = {**postgres._asked(SearchQuery(text="wintr"), None), "near": False}
    looked_up = [
        ("find_events", asked, "search_documents_terms"),
        ("suggest", typed, "search_documents_terms"),
        ("suggest_nearly", typed, "search_documents_trigrams"),
    ]

    with engine.connect() as connection:
        # They fit into a few pages, which it would rather read.
        connection.execute(text("SET enable_seqscan = off"))
        for statement, given, index in looked_up:
            # As a vacuum does: until then an index has a list to be read through.
            connection.execute(text("SELECT gin_clean_pending_list(:index)"), {"index": index})
            plan = "\n".join(connection.execute(text(f"EXPLAIN {sql.load(statement).text}"), given).scalars())
            assert index in plan, plan
