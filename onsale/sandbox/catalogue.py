"""The sample catalogue: real venues, invented shows, and the plans of their rooms.

Venues are facts (name, city, country, coordinates, capacity); shows, artists and prices are made up. Everything here is
a pure value: `seed` writes it to the record. Dates are counted from the day of the first seeding.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files

from onsale.db.catalogue import NewSection, Venue
from onsale.db.price_terms import NO_TERMS, PriceTerms, terms_from_json
from onsale.sandbox.rooms import Room, room

# Half past seven in the evening where the venue is, near enough: an hour per 15 degrees.
EVENING = time(19, 30, tzinfo=UTC)
DEGREES_PER_HOUR = 15


class Part(StrEnum):
    """What a show is there to demonstrate; most are just shows."""

    USUAL = "usual"
    ARENA = "arena"
    STADIUM = "stadium"
    QUIET = "quiet"
    SOLD_OUT = "sold_out"
    SELLING_NOW = "selling_now"
    OPENS_SOON = "opens_soon"


# Put on sale anew at each `make run`.
DEMO_PARTS = (Part.SELLING_NOW, Part.OPENS_SOON)


@dataclass(frozen=True)
class Show:
    """One show: who plays where, in how many days, in which room and from what price."""

    id: int
    name: str
    artists: tuple[str, ...]
    genre: str
    venue: Venue
    room: Room
    price_minor: int
    currency: str
    in_days: int
    part: Part
    description: str
    terms: PriceTerms = NO_TERMS

    @property
    def slug(self) -> str:
        """The last part of the show's address; the demo's two shows have fixed ones."""
        if self.part in DEMO_PARTS:
            return self.part.value.replace("_", "-")
        plain = unicodedata.normalize("NFKD", self.name.lower().replace("'", "")).encode("ascii", "ignore").decode()
        return f"{re.sub('[^a-z0-9]+', '-', plain).strip('-')}-{self.id}"

    def starts_at(self, now: datetime) -> datetime:
        """The evening of the show, counted from `now`; at the venue it is about half past seven."""
        offset = timedelta(hours=round(self.venue.longitude / DEGREES_PER_HOUR))
        return datetime.combine((now + timedelta(days=self.in_days)).date(), EVENING) - offset

    def sections(self) -> tuple[NewSection, ...]:
        """The blocks of the room with this show's prices."""
        return room(self.room, price_minor=self.price_minor, currency=self.currency)


@dataclass(frozen=True)
class Catalogue:
    """All venues and all shows."""

    venues: tuple[Venue, ...]
    shows: tuple[Show, ...]


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with Onsale."""
    text = files(__package__).joinpath("catalogue.json").read_text(encoding="utf-8")
    content = json.loads(text)
    venues = {each["id"]: Venue(**each) for each in content["venues"]}
    shows = tuple(
        Show(
            id=each["id"],
            name=each["name"],
            artists=tuple(each["artists"]),
            genre=each["genre"],
            venue=venues[each["venue"]],
            room=Room(each["room"]),
            price_minor=each["price_minor"],
            currency=each["currency"],
            in_days=each["in_days"],
            part=Part(each["part"]),
            description=each["description"],
            terms=terms_from_json(each.get("price_terms")),
        )
        for each in content["shows"]
    )
    return Catalogue(tuple(venues.values()), shows)
