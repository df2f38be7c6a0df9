"""The sample catalogue: facts that are plausible, rooms that fit, and every kind of show the demo needs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from onsale.db.price_terms import checked
from onsale.sandbox.catalogue import DEMO_PARTS, Part, catalogue
from onsale.sandbox.rooms import PICTURE_HEIGHT, PICTURE_WIDTH, Box, Room, room

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SHOWS = catalogue().shows
VENUES = catalogue().venues


def seats(show):
    return sum(section.capacity for section in show.sections())


def test_there_are_enough_shows_in_enough_places():
    assert len(SHOWS) >= 40
    assert len(VENUES) >= 20
    assert len({venue.country for venue in VENUES}) >= 10
    assert {show.currency for show in SHOWS} == {"eur", "gbp", "usd", "jpy", "kwd"}


def test_some_shows_ask_for_fees_and_tax_on_top_and_within():
    asking = {show.currency: show.terms for show in SHOWS if not show.terms.plain}

    assert set(asking) == {"usd", "jpy", "kwd"}
    assert {terms.tax_included for terms in asking.values() if terms.tax_bp} == {True, False}
    assert all(checked(terms, currency) for currency, terms in asking.items())


def test_each_part_of_the_demo_is_played():
    parts = Counter(show.part for show in SHOWS)

    assert all(parts[part] >= 1 for part in Part)
    assert all(parts[part] == 1 for part in (*DEMO_PARTS, Part.ARENA, Part.STADIUM, Part.SOLD_OUT))


def test_the_arena_has_20000_numbered_seats():
    (show,) = [show for show in SHOWS if show.part is Part.ARENA]

    assert seats(show) == 20_000
    assert {section.kind for section in show.sections()} == {"seated"}


def test_the_stadium_has_65000_places_with_standing_ones_among_them():
    (show,) = [show for show in SHOWS if show.part is Part.STADIUM]

    assert seats(show) == 65_000
    assert {section.kind for section in show.sections()} == {"seated", "general"}


@pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.name)
def test_no_show_sells_more_than_its_venue_takes(show):
    assert 0 < seats(show) <= show.venue.capacity


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
def test_a_venue_is_somewhere_on_earth(venue):
    assert -90 < venue.latitude < 90
    assert -180 < venue.longitude < 180
    assert (len(venue.country), venue.country.isupper()) == (2, True)
    assert venue.region
    assert venue.city


def test_ids_and_addresses_are_unique_and_plain():
    assert len({show.id for show in SHOWS}) == len({show.slug for show in SHOWS}) == len(SHOWS)
    assert all(show.slug.replace("-", "").isalnum() and show.slug.isascii() for show in SHOWS)
    assert [show.slug for show in SHOWS if show.part in DEMO_PARTS] == ["selling-now", "opens-soon"]


def test_every_show_is_in_the_coming_months_in_the_evening_where_it_plays():
    for show in SHOWS:
        starts_at = show.starts_at(NOW)
        local = starts_at + timedelta(hours=round(show.venue.longitude / 15))

        assert NOW + timedelta(days=10) < starts_at < NOW + timedelta(days=180)
        assert (local.hour, local.minute) == (19, 30)


@pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.name)
def test_prices_are_round_and_the_show_s_currency_decides_how(show):
    step = 100 if show.currency == "jpy" else 50

    assert all(section.price_minor > 0 and section.price_minor % step == 0 for section in show.sections())


@pytest.mark.parametrize("kind", Room)
def test_blocks_lie_in_the_picture_and_beside_each_other(kind):
    sections = room(kind, price_minor=5000, currency="eur")
    boxes = [Box(section.map_x, section.map_y, section.map_w, section.map_h) for section in sections]

    assert all(box.x >= 0 and box.x + box.w <= PICTURE_WIDTH for box in boxes)
    assert all(60 < box.y + box.h <= PICTURE_HEIGHT for box in boxes)
    assert not [(one, other) for one, other in combinations(boxes, 2) if overlap(one, other)]


def overlap(one: Box, other: Box) -> bool:
    across = one.x < other.x + other.w and other.x < one.x + one.w
    down = one.y < other.y + other.h and other.y < one.y + one.h
    return across and down
