"""What both searches say alike: which letters of a hit are marked, and what a beginning is completed to."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.search import Hit, SearchQuery, Suggested
from onsale.search.folding import plain
from onsale.search.highlighting import Part, highlights, parts
from onsale.search.suggesting import OF_A_KIND_MAX, Seen, suggestions
from onsale.search.words import has_beginnings

NOW = datetime(2026, 12, 24, tzinfo=UTC)


def hit(name: str = "Winterreise", artists: tuple[str, ...] = ("Ágnes Kovács",), venue: str = "Musikverein") -> Hit:
    return Hit(1, name, "slug", NOW, NOW, venue, "Wien", "AT", 48.2, 16.37, artists, "Classical", "eur", 1, 2, False)


def marked(pieces: tuple[Part, ...]) -> str:
    return "".join(f"[{piece.text}]" if piece.marked else piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("text", "words", "wanted"),
    [
        ("Winterreise", ["winter"], "[Winter]reise"),
        ("A Night in Nice", ["ni"], "A [Ni]ght in [Ni]ce"),
        ("Night", ["night", "ni"], "[Night]"),
        ("Björk Ólafsdóttir", ["bjo", "olaf"], "[Bjö]rk [Ólaf]sdóttir"),
        ("L'Olympia", ["oly"], "L'[Oly]mpia"),
        # Half of a letter cannot be marked.
        ("ﬁnale", ["fin"], "[ﬁn]ale"),
        ("ﬁnale", ["f"], "[ﬁ]nale"),
        ("Bjo\u0308rk", ["bjo"], "[Bjo\u0308]rk"),
        ("Straßenfest", ["stras"], "[Straß]enfest"),
        ("Йошкар-Ола", ["иош", "ола"], "[Йош]кар-[Ола]"),
        ("방탄소년단", [plain("방타")], "[방탄]소년단"),
        (unicodedata.normalize("NFD", "방탄"), [plain("바")], unicodedata.normalize("NFD", "[방]탄")),
        ("हिन्दी कवि", ["हिन", "क"], "[हिन्]दी [क]वि"),
        ("夜の街", ["街"], "夜の[街]"),
        ("N.E.R.D live", ["nerd"], "[N.E.R.D] live"),
        ("AC/DC", ["acd"], "[AC/D]C"),
        ("AC/DC", ["dc"], "AC/[DC]"),
        ("\ufe0f\u0301 Night", ["ni"], "\ufe0f\u0301 [Ni]ght"),
        ("Nothing of it", ["zebra"], "Nothing of it"),
        ("", ["a"], ""),
    ],
)
def test_the_letters_asked_for_are_marked_where_a_word_begins_so(text, words, wanted):
    assert marked(parts(text, words)) == wanted


@given(st.text(max_size=60), st.lists(st.text(max_size=5), max_size=4), st.booleans())
def test_the_pieces_are_the_text(text, words, near):
    pieces = parts(text, [plain(word) for word in words if plain(word)], near=near)

    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)
    assert all(one.marked is not other.marked for one, other in pairwise(pieces))


def test_a_hit_is_marked_only_in_the_fields_that_were_asked():
    asked = SearchQuery(artist="kov", location="mus wi")

    found = {name: marked(pieces) for name, pieces in highlights(hit(), asked).items()}

    assert found == {"artists": "Ágnes [Kov]ács", "venue": "[Mus]ikverein", "city": "[Wi]en"}


def test_what_was_misspelt_is_marked_as_the_word_it_resembles():
    assert marked(highlights(hit(), SearchQuery(text="wintereise"))["name"]) == "[Winterreise]"
    assert highlights(hit(), SearchQuery(text="zebra")) == {}


SEEN = [
    Seen(1, "A Night in Paris", ("The Night Trains", "Ada Quist"), "Olympia", "Paris"),
    Seen(2, "Kumo", ("Kumo",), "Budokan", "Tokyo"),
    Seen(3, "A Night in Paris", ("Ada Quist",), "Olympia", "Paris"),
]


def suggested(typed: str, seen: list[Seen] = SEEN, *, near: bool = False) -> list[tuple[Suggested, str, int | None]]:
    return [(one.kind, one.text, one.event_id) for one in suggestions(plain(typed), seen, near=near)]


def test_each_thing_is_suggested_once_and_the_first_show_of_a_name():
    assert suggested("ni") == [
        (Suggested.ARTIST, "The Night Trains", None),
        (Suggested.EVENT, "A Night in Paris", 1),
    ]


def test_what_begins_with_what_is_typed_comes_before_what_has_it_inside():
    assert suggested("pa") == [(Suggested.CITY, "Paris", None), (Suggested.EVENT, "A Night in Paris", 1)]


def test_a_show_named_after_who_plays_is_suggested_once():
    assert suggested("kum") == [(Suggested.ARTIST, "Kumo", None)]


def test_a_slip_is_forgiven_when_nearly_is_asked():
    assert suggested("nigth trai", near=True)[0] == (Suggested.ARTIST, "The Night Trains", None)
    assert suggested("zzzz", near=True) == []


def test_no_kind_crowds_out_the_others():
    many = [Seen(n, f"Night {n}", (f"Night Band {n}",), f"Night Hall {n}", f"Nightby {n}") for n in range(20)]

    found = [kind for kind, _, _ in suggested("night", many)]

    assert all(found.count(kind) <= most for kind, most in OF_A_KIND_MAX.items())
    assert set(found) == set(OF_A_KIND_MAX)


@given(st.text(alphabet="abé -'", max_size=12), st.text(alphabet="abé -'", max_size=12))
def test_words_begin_a_text_that_they_were_cut_from(words, rest):
    assert has_beginnings(plain(words))(f"{words}{rest}") or not plain(words) or not rest.strip()
