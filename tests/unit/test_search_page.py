"""The search page's rules: what an address means and is written as again, and the map of what was found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from onsale.search import Between, Filters, Hit, Near, Sort
from onsale.web.pages import atlas, search_form
from onsale.web.pages.search_form import SearchForm, month_words, price_words, read

NOW = datetime(2026, 12, 24, tzinfo=UTC)


def form(*given: tuple[str, str]) -> SearchForm:
    return read(MultiDict(given))


def test_an_address_is_read_and_written_as_it_was():
    given = [("q", "night"), ("city", "Paris"), ("city", "Wien"), ("genre", "Folk"), ("month", "2026-12")]
    given += [
        ("price", "2500-5000"),
        ("available", "1"),
        ("near", "48.21,16.37"),
        ("sort", "distance"),
        ("view", "map"),
    ]

    found = form(*given)

    assert found.parameters() == {
        "q": "night",
        "city": ["Paris", "Wien"],
        "genre": ["Folk"],
        "month": ["2026-12"],
        "price": "2500-5000",
        "available": "1",
        "near": "48.21,16.37",
        "sort": "distance",
        "view": "map",
    }
    asked = found.query()
    assert asked.filters == Filters(("Paris", "Wien"), ("Folk",), ("2026-12",), 2500, 5000)
    assert (asked.near, asked.sort, asked.available) == (Near(48.21, 16.37, 50.0), Sort.DISTANCE, True)


def test_days_are_whole_days():
    asked = form(("from", "2026-12-24"), ("to", "2026-12-24")).query()

    assert asked.when == Between(NOW, datetime(2026, 12, 25, tzinfo=UTC))
    assert form(("to", "9999-12-31")).query().when == Between(None, None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"from": "24.12.2026"}, "from"),
        ({"to": "tomorrow"}, "to"),
        ({"from": "2026-12-24", "to": "2026-12-23"}, "to"),
        ({"near": "here"}, "near"),
        ({"near": "91,0"}, "near"),
        ({"near": "nan,0"}, "near"),
        ({"near": "1,2,3"}, "near"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(given, field):
    assert set(read(MultiDict(given)).wrong) == {field}


@pytest.mark.parametrize(
    "given",
    [
        {"price": "1-2"},
        {"sort": "price"},
        {"sort": "distance"},
        {"view": "globe"},
        {"available": "yes"},
        {"month": "soon"},
    ],
)
def test_what_no_form_offers_is_left_out(given):
    assert read(MultiDict(given)) == SearchForm()


@given(st.dictionaries(st.sampled_from(["q", "location", "from", "to", "price", "near", "sort", "view"]), st.text()))
def test_any_address_is_a_form_that_can_be_asked_or_says_what_is_wrong(given):
    found = read(MultiDict(given))

    if not found.wrong:
        found.query()
    assert read(MultiDict(found.parameters().items())) == found


@pytest.mark.parametrize(("name", "most"), [("q", 200), ("location", 200), ("from", 20), ("to", 20), ("near", 40)])
def test_what_is_cut_off_leaves_no_space_at_the_end(name, most):
    found = form((name, "0" * (most - 1) + " 0"))

    assert found.parameters()[name] == "0" * (most - 1)


def test_each_filter_can_be_taken_away_alone():
    full = form(
        ("q", "x"), ("city", "Paris"), ("city", "Wien"), ("price", "0-2500"), ("available", "1"), ("after", "c")
    )

    ways = dict(full.filtered())

    assert list(ways) == ["Paris", "Wien", "Up to 25", "Tickets left"]
    assert ways["Paris"] == replace(full, cities=("Wien",), after="")
    assert all(way.after == "" for way in ways.values())


def test_months_and_prices_are_said_in_words():
    assert month_words("2026-12") == "December 2026"
    assert month_words("2026-13") == "2026-13"
    assert [price_words(price) for price in search_form.PRICES] == ["Up to 25", "25 to 50", "50 to 100", "100 and more"]


def hit(latitude: float, longitude: float, city: str = "Wien", venue: str = "Hall") -> Hit:
    return Hit(1, "A", "a", NOW, NOW, venue, city, "AT", latitude, longitude, (), "", "eur", None, None, False)


def window(found: atlas.Atlas) -> tuple[float, ...]:
    return tuple(float(value) for value in found.view_box.split())


def test_nothing_found_has_no_map():
    assert atlas.draw([]) is None


places = st.lists(st.tuples(st.floats(-58, 80), st.floats(-180, 180)), min_size=1, max_size=20)


@given(places)
def test_every_place_is_inside_the_map(where):
    found = atlas.draw([hit(*place, venue=str(n)) for n, place in enumerate(where)])

    left, top, width, height = window(found)
    # The window is written in whole units.
    assert all(left - 1 <= spot.x <= left + width + 1 and top - 1 <= spot.y <= top + height + 1 for spot in found.spots)
    assert width >= atlas.SPAN_MIN_DEGREES * 100 * found.narrowing - 1 or width >= 360 * 100 * found.narrowing - 1


def test_shows_of_one_venue_are_one_larger_circle():
    found = atlas.draw([hit(48.2, 16.4), hit(48.2, 16.4), hit(48.9, 2.4, city="Paris", venue="Other")])

    assert [(spot.city, spot.shows) for spot in found.spots] == [("Wien", 2), ("Paris", 1)]
    assert found.spots[0].radius > found.spots[1].radius


def test_names_do_not_lie_on_each_other():
    found = atlas.draw([hit(48.2, 16.4), hit(48.21, 16.41, venue="Next door"), hit(0, 0, city="Far", venue="F")])

    assert [spot.label for spot in found.spots] == ["Wien", "", "Far"]
