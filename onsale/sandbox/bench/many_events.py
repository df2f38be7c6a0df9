"""A made-up catalogue of any size, the same each time: for measuring searches, never shown to anybody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from onsale.search.documents import Document, document

SEED = 20_261_127
SYLLABLES = "ba be bo da de do fa ga go ha ka ki la le li lo lu ma mi mo na ne no pa ra re ri ro sa so ta te to va vi"
GENRES = ("Rock", "Pop", "Jazz", "Folk", "Classical", "Opera", "Theatre", "Comedy", "Dance", "World", "Electronic")
ARTISTS, VENUES, CITIES = 20_000, 5_000, 500
DAYS_AHEAD = 500


@dataclass(frozen=True)
class Listing:
    """What the document of an event is made of, by the names of the statement that reads it from the record."""

    id: int
    name: str
    slug: str
    genre: str
    starts_at: datetime
    on_sale_at: datetime
    sold_out: bool
    month: str
    venue_name: str
    city: str
    country: str
    region: str
    latitude: float
    longitude: float
    artists: tuple[str, ...]
    currency: str
    price_min_minor: int
    price_max_minor: int


class ManyEvents:
    """The catalogue: names of two or three words, artists who come again, venues in cities."""

    def __init__(self, *, now: datetime) -> None:
        self._now = now
        chance = _chance(SEED)
        words = [_word(chance) for _ in range(4_000)]
        self._titles = words[:2_000]
        self.artists = [f"{chance.choice(words)} {chance.choice(words)}".title() for _ in range(ARTISTS)]
        self.cities = [(_word(chance).title(), *_somewhere(chance)) for _ in range(CITIES)]
        self._venues = [(f"{chance.choice(words).title()} Hall {n}", chance.choice(self.cities)) for n in range(VENUES)]

    def documents(self, first: int, count: int) -> dict[int, Document]:
        """Those of so many events from the `first` on."""
        return {number: document(self._listing(number)) for number in range(first, first + count)}

    def searches(self, count: int) -> Iterator[str]:
        """Paths as buyers ask: whole words, beginnings, places, days, filters, and one in twenty misspelt."""
        chance = _chance(SEED + 1)
        for _ in range(count):
            yield f"/v1/search?{urlencode(self._asked(chance), doseq=True)}"

    def typed(self, count: int) -> Iterator[str]:
        """Paths of suggestions, two to six letters each."""
        chance = _chance(SEED + 2)
        for _ in range(count):
            yield f"/v1/suggestions?{urlencode({'q': chance.choice(self.artists)[: chance.randint(2, 6)]})}"

    def _listing(self, number: int) -> Listing:
        chance = _chance(SEED * 31 + number)
        venue, (city, latitude, longitude) = chance.choice(self._venues)
        starts_at = self._now + timedelta(days=chance.uniform(1, DAYS_AHEAD))
        price = chance.randrange(1_000, 15_000, 50)
        return Listing(
            id=number,
            name=" ".join(chance.sample(self._titles, chance.randint(2, 3))).title(),
            slug=f"event-{number}",
            genre=chance.choice(GENRES),
            starts_at=starts_at,
            on_sale_at=starts_at - timedelta(days=90),
            sold_out=chance.random() < 0.1,
            month=f"{starts_at:%Y-%m}",
            venue_name=venue,
            city=city,
            country="AT",
            region="europe",
            latitude=latitude,
            longitude=longitude,
            artists=tuple(chance.sample(self.artists, chance.choice((1, 1, 1, 2)))),
            currency="eur",
            price_min_minor=price,
            price_max_minor=price * 2,
        )

    def _asked(self, chance: random.Random) -> dict[str, object]:
        artist, (city, latitude, longitude) = chance.choice(self.artists), chance.choice(self.cities)
        day = f"{self._now + timedelta(days=chance.randrange(DAYS_AHEAD)):%Y-%m-%d}"
        asked: list[dict[str, object]] = [
            {"q": artist},
            {"q": artist[: chance.randint(3, 8)]},
            {"artist": artist, "location": city},
            {"q": chance.choice(self._titles), "highlight": "true"},
            {"location": city, "dateTime": f"{day}..", "sort": "date"},
            {"latitude": latitude, "longitude": longitude, "radius_km": 100, "sort": "distance"},
            {"location": city, "genre": chance.sample(GENRES, 2), "price_max_minor": 5_000, "available": "true"},
            {"dateTime": day},
        ]
        if chance.random() < 0.05:
            return {"q": artist[:2] + artist[3:]}
        return chance.choice(asked)


def _word(chance: random.Random) -> str:
    return "".join(chance.choice(SYLLABLES.split()) for _ in range(chance.randint(2, 4)))


def _somewhere(chance: random.Random) -> tuple[float, float]:
    return chance.uniform(-40, 65), chance.uniform(-120, 150)


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - made-up names, nobody's secret


def beginning() -> datetime:
    """Midnight of today: days counted from it are the same all day long."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
