"""Which letters of a hit are those that were asked for: the same on every engine, for any page to mark as it likes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from onsale.search import Hit, SearchQuery
from onsale.search.words import WORDS_MAX, alike, plain

# Below this a word is another one: "kovasc" is 0.83 like "kovacs".
ALIKE_MIN = 0.75
# What few letters resemble is everything.
NEARLY_LETTERS_MIN = 4
_WORDS = re.compile(r"(\w+)")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text; all of them in a row are the text."""

    text: str
    marked: bool


Highlights = dict[str, tuple[Part, ...]]


def highlights(hit: Hit, query: SearchQuery) -> Highlights:
    """Those of name, artists (joined by commas), venue, city and genre where something of the question stands.

    Words and beginnings of words; only where there are none at all, words that are nearly so.
    """
    anything, artist, place = (plain(each).split()[:WORDS_MAX] for each in (query.text, query.artist, query.location))
    fields = {
        "name": (hit.name, anything),
        "artists": (", ".join(hit.artists), [*anything, *artist]),
        "venue": (hit.venue, [*anything, *place]),
        "city": (hit.city, [*anything, *place]),
        "genre": (hit.genre, anything),
    }
    return _of(fields, near=False) or _of(fields, near=True)


def parts(text: str, words: Iterable[str], *, near: bool = False) -> tuple[Part, ...]:
    """The text in pieces, marked where one of these plain words begins a word of it; `near`: or is nearly one."""
    wanted = tuple(words)
    pieces = _WORDS.split(text)
    begun = [len(each) if near and _is_nearly(each, wanted) else _letters_begun(each, wanted) for each in pieces]
    # Of most texts nothing.
    if not any(begun):
        return (Part(text, marked=False),) if text else ()
    found: list[Part] = []
    for piece, letters in zip(pieces, begun, strict=True):
        for one, marked in ((piece[:letters], True), (piece[letters:], False)):
            if one and found and found[-1].marked is marked:
                found[-1] = Part(found[-1].text + one, marked)
            elif one:
                found.append(Part(one, marked))
    return tuple(found)


def _of(fields: dict[str, tuple[str, list[str]]], *, near: bool) -> Highlights:
    cut = {name: parts(text, words, near=near) for name, (text, words) in fields.items() if words}
    return {name: pieces for name, pieces in cut.items() if any(piece.marked for piece in pieces)}


def _letters_begun(piece: str, words: tuple[str, ...]) -> int:
    """How many letters of this word are a beginning that was asked for."""
    bare = plain(piece)
    # Of most words none is: one look for all of them.
    if not bare.startswith(words):
        return 0
    begun = max(len(word) for word in words if bare.startswith(word))
    # A letter that becomes two without its accent leaves no way to count: the whole word then.
    return begun if len(bare) == len(piece) else len(piece) * bool(begun)


def _is_nearly(piece: str, words: tuple[str, ...]) -> bool:
    bare = plain(piece)
    if len(bare) < NEARLY_LETTERS_MIN:
        return False
    return any(alike(bare, word, least=ALIKE_MIN) >= ALIKE_MIN for word in words)
