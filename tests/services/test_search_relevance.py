"""What people would type for the sample's shows, and the show that must come first; written down before any tuning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import NullPool, create_engine, text

from onsale.db.change_stream import followed_up_to
from onsale.sandbox.catalogue import catalogue
from onsale.sandbox.passwords import passwords
from onsale.sandbox.seed import seed
from onsale.search import Near, Search, SearchQuery, Sort
from onsale.search.elasticsearch import ElasticsearchSearch
from onsale.search.event_index import EventIndex
from onsale.search.opening import asking
from onsale.search.postgres import PostgresSearch
from onsale.search.rebuild import rebuild
from onsale.search.when import between
from tests.builders import PATIENCE_SECONDS

# The share of first hits that must be right.
ELASTICSEARCH_MIN, POSTGRES_MIN = 0.95, 0.85
LONDON, PARIS, TOKYO, NEW_YORK = (51.51, -0.12), (48.86, 2.35), (35.68, 139.76), (40.75, -73.99)
AMSTERDAM, BRISTOL, SYDNEY, HAMBURG = (52.37, 4.9), (51.45, -2.59), (-33.87, 151.21), (53.55, 9.99)

# What is asked, and the sample's show (its number in the catalogue) that must be first.
ASKED: list[tuple[dict, int]] = [
    # As it is written.
    ({"text": "Lanterns"}, 5),
    ({"text": "Juniper Vale"}, 5),
    ({"text": "night buses"}, 21),
    ({"text": "the tin cathedral"}, 8),
    ({"text": "harbour lights"}, 37),
    ({"text": "brass monkeys brussels"}, 22),
    ({"text": "one night under the lights"}, 2),
    ({"artist": "Quartet Sevenwell"}, 13),
    ({"artist": "severnside players"}, 3),
    ({"artist": "kumo"}, 39),
    ({"text": "ten pianos"}, 42),
    ({"text": "the comedy of ferrets"}, 38),
    ({"text": "copper & salt"}, 33),
    # Beginnings, as one types.
    ({"text": "lant"}, 5),
    ({"text": "glass or"}, 6),
    ({"text": "requiem for a pr"}, 40),
    ({"text": "whale s"}, 30),
    ({"text": "monsoon"}, 26),
    ({"text": "enc"}, 44),
    ({"artist": "coy"}, 17),
    ({"artist": "del"}, 32),
    # Without accents, or with accents that are not there.
    ({"text": "sigrun hallsdottir"}, 25),
    ({"text": "la citta sommersa"}, 14),
    ({"text": "la banda del mediodia"}, 27),
    ({"text": "teatro colon"}, 15),
    ({"location": "reykjavik"}, 25),
    ({"location": "l'olympia", "artist": "juniper"}, 5),
    ({"text": "Kumó"}, 39),
    ({"location": "teatro colón"}, 15),
    # Misspelt.
    ({"text": "lanters"}, 5),
    ({"text": "juniper vail"}, 5),
    ({"artist": "ottolin marsh"}, 2),
    ({"artist": "anselm rooth"}, 12),
    ({"artist": "mirela kostin"}, 9),
    ({"text": "glas orchrd"}, 6),
    ({"text": "meridain"}, 1),
    ({"text": "lightouse keeper"}, 3),
    ({"artist": "wren haloway"}, 4),
    ({"artist": "nerys pritchard"}, 30),
    ({"artist": "nerys pritchad"}, 30),
    ({"artist": "tobias ferow"}, 16),
    ({"artist": "tachikava"}, 10),
    ({"text": "elbphilharmony"}, 9),
    ({"location": "amsterdm", "text": "waltz"}, 0),
    ({"location": "san fransisco"}, 8),
    ({"location": "concertgebouv"}, 13),
    ({"location": "berliner filharmonie"}, 12),
    ({"text": "cartografer's dance"}, 31),
    # Words together with a place.
    ({"text": "night milan"}, 43),
    ({"text": "tango buenos aires"}, 15),
    ({"text": "letters singapore"}, 26),
    ({"artist": "paper jam", "location": "carnegie"}, 44),
    ({"artist": "juniper vale", "location": "milan"}, 43),
    ({"text": "bristol understudies"}, 29),
    # Near me: what is next, and what is nearest.
    ({"near": Near(*LONDON, 20), "sort": Sort.DATE}, 4),
    ({"near": Near(*PARIS, 30), "sort": Sort.DATE}, 5),
    ({"near": Near(*TOKYO, 20), "sort": Sort.DATE}, 10),
    ({"near": Near(*SYDNEY, 50)}, 37),
    ({"near": Near(*HAMBURG, 10), "text": "quiet"}, 36),
    ({"near": Near(*AMSTERDAM, 10), "text": "hours"}, 32),
    ({"near": Near(*NEW_YORK, 25), "text": "typewriter"}, 44),
    ({"near": Near(*BRISTOL, 100), "text": "clocktower"}, 28),
    ({"near": Near(51.503, 0.0032, 50), "sort": Sort.DISTANCE}, 1),
    # Days, counted from today, as the sample's are.
    ({"days": (11, 13)}, 4),
    ({"days": (130, 132)}, 2),
    ({"days": (22, 24), "location": "bristol"}, 3),
    ({"days": (30, 60), "location": "tokyo"}, 10),
    ({"days": (90, 100), "artist": "quiet machines"}, 36),
    ({"days": (100, 120), "text": "bowl"}, 19),
]


@pytest.fixture(scope="module")
def record(postgres_server, migrated_template, tmp_path_factory):
    """The sample catalogue, seeded once for this file."""
    url = postgres_server.ensure_database("relevance", template=migrated_template)
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        now = connection.scalar(text("SELECT now()"))
        seed(connection, now=now, passwords=passwords(tmp_path_factory.mktemp("folder") / "passwords"))
    yield engine
    engine.dispose()
    postgres_server.drop_database("relevance")


@pytest.fixture(scope="module")
def index_search(record, elasticsearch_server) -> Iterator[Search]:
    url = elasticsearch_server.url()
    with EventIndex(url) as index, asking(url) as client:
        rebuild(record, index, position=followed_up_to)
        # What comes first is asked here, not how soon.
        yield ElasticsearchSearch(client, answer_seconds=PATIENCE_SECONDS)
        for name in index.written_to():
            index.delete(name)


def first_hit(search: Search, asked: dict) -> str | None:
    given = dict(asked)
    if days := given.pop("days", None):
        first, last = (datetime.now(UTC) + timedelta(days=day) for day in days)
        given["when"] = between(f"{first:%Y-%m-%d}..{last:%Y-%m-%d}")
    hits = search.search(SearchQuery(**given)).hits
    return hits[0].name if hits else None


def wrong(search: Search) -> list[str]:
    names: dict[int, str | None] = {number: show.name for number, show in enumerate(catalogue().shows, start=1)}
    # 0: nothing fits, and nothing may be found.
    names[0] = None
    told = [(asked, first_hit(search, asked), names[number]) for asked, number in ASKED]
    return [f"{asked}: {got!r}, not {wanted!r}" for asked, got, wanted in told if got != wanted]


def test_the_set_is_large_enough_to_mean_something():
    assert len(ASKED) >= 60


def test_elasticsearch_finds_the_right_show_first(index_search):
    missed = wrong(index_search)

    assert len(missed) <= (1 - ELASTICSEARCH_MIN) * len(ASKED), "\n".join(missed)


def test_postgresql_finds_the_right_show_first(record):
    missed = wrong(PostgresSearch(record))

    assert len(missed) <= (1 - POSTGRES_MIN) * len(ASKED), "\n".join(missed)
