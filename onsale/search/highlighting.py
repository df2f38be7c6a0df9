"""Which letters of a hit are those that were asked for: the same on every engine, for any page to mark as it likes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from onsale.search import Hit, SearchQuery
from onsale.search.folding import MARK, SPACE, WORD, findable, folded, plain
from onsale.search.words import WORDS_MAX, alike

# Below this a word is another one: "kovasc" is 0.83 like "kovacs".
ALIKE_MIN = 0.75
# What few letters resemble is everything.
NEARLY_LETTERS_MIN = 4
# Vowels and last consonants of a Korean syllable that is written in parts.
_REST_OF_SYLLABLE = range(0x1160, 0x1200)


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
    """The text in pieces, marked where one of these plain words begins a word of it; `near`: or is nearly one.

    Where a letter is more to a search than the text shows, as the ligature in "ﬁnale", all of it is marked.
    """
    begun = _letters_begun(tuple(words), near=near)
    # Of most texts nothing.
    if not any(map(begun, findable(text).split())):
        return (Part(text, marked=False),) if text else ()
    marked = bytearray(len(text))
    for begin, end in _spans(text, begun):
        marked[begin:end] = bytes([True]) * (end - begin)
    runs = (list(run) for _, run in groupby(range(len(text)), marked.__getitem__))
    return tuple(Part(text[run[0] : run[-1] + 1], marked=bool(marked[run[0]])) for run in runs)


def _of(fields: dict[str, tuple[str, list[str]]], *, near: bool) -> Highlights:
    cut = {name: parts(text, words, near=near) for name, (text, words) in fields.items() if words}
    return {name: pieces for name, pieces in cut.items() if any(piece.marked for piece in pieces)}


def _letters_begun(words: tuple[str, ...], *, near: bool) -> Callable[[str], int]:
    """Says how many letters of a word are a beginning that was asked for."""

    def begun(word: str) -> int:
        if near and _is_nearly(word, words):
            return len(word)
        # Of most words none is: one look for all of them.
        return max(len(one) for one in words if word.startswith(one)) if word.startswith(words) else 0

    return begun


def _spans(text: str, begun: Callable[[str], int]) -> Iterator[tuple[int, int]]:
    """From where to where the text is to be marked."""
    letters = list(_letters(text))
    apart = [(SPACE if letter == MARK else letter, begin, end) for letter, begin, end in letters]
    joined = [each for each in letters if each[0] != MARK]
    for spelling in (apart, joined):
        for word in WORD.finditer("".join(letter for letter, _, _ in spelling)):
            if count := begun(word[0]):
                yield spelling[word.start()][1], spelling[word.start() + count - 1][2]


def _letters(text: str) -> Iterator[tuple[str, int, int]]:
    """Each letter that a search sees, and from where to where it stands in the text."""
    begins = [at for at, letter in enumerate(text) if at == 0 or not _goes_on(letter)]
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        for letter in folded(text[begin:end]):
            yield letter, begin, end


def _goes_on(letter: str) -> bool:
    """Whether it is a part of what stands before it: a mark is not to be parted from its letter."""
    if letter.isascii():
        return False
    return unicodedata.category(letter)[0] == "M" or ord(letter) in _REST_OF_SYLLABLE or not folded(letter)


def _is_nearly(word: str, words: tuple[str, ...]) -> bool:
    if len(word) < NEARLY_LETTERS_MIN:
        return False
    return any(alike(word, one, least=ALIKE_MIN) >= ALIKE_MIN for one in words)
