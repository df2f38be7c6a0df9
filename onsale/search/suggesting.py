"""From shows that fit what is being typed to what it may be the beginning of: an artist, a show, a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from onsale.search import SUGGESTIONS_MAX, Suggested, Suggestion
from onsale.search.words import fits_as_beginnings, plain

# Shows that are looked at: many of them may have the same artist in the same house.
LOOKED_AT_MAX = 60
# So that one kind does not crowd out the others.
OF_A_KIND_MAX = {Suggested.ARTIST: 3, Suggested.EVENT: 4, Suggested.VENUE: 2, Suggested.CITY: 2}
# Below this, what was typed is another word. A letter left out of eight gives 0.93, two swapped 0.88.
ALIKE_MIN = 0.7


@dataclass(frozen=True, slots=True)
class Seen:
    """A show that fits, with what it can suggest."""

    event_id: int
    name: str
    artists: tuple[str, ...]
    venue: str
    city: str


def suggestions(words: str, seen: Sequence[Seen], *, near: bool = False) -> tuple[Suggestion, ...]:
    """Each thing once; first what begins with the first word typed, at most SUGGESTIONS_MAX.

    `words` are plain, `seen` in the order that counts. `near`: what is nearly so, most alike first.
    """
    fits = _nearly(words) if near else lambda text: fits_as_beginnings(words, text)
    # Each once before it is looked at: many shows are in the same house, and half of them have one of the same artists.
    possible: dict[tuple[Suggested, str], Suggestion] = {}
    for each in _possible(seen):
        possible.setdefault((each.kind, each.text), each)
    found = {key: each for key, each in possible.items() if fits(each.text)}
    ordered = sorted(found.values(), key=_likeness(words) if near else _begins_otherwise(words))
    kept: list[Suggestion] = []
    for one in ordered:
        if sum(each.kind is one.kind for each in kept) < OF_A_KIND_MAX[one.kind]:
            kept.append(one)
    return tuple(kept[:SUGGESTIONS_MAX])


def _possible(seen: Sequence[Seen]) -> Iterator[Suggestion]:
    for show in seen:
        yield from (Suggestion(Suggested.ARTIST, artist) for artist in show.artists)
        # A show named after who plays is suggested as the artist alone.
        if show.name not in show.artists:
            yield Suggestion(Suggested.EVENT, show.name, show.event_id)
        yield Suggestion(Suggested.VENUE, show.venue)
        yield Suggestion(Suggested.CITY, show.city)


def _begins_otherwise(words: str) -> Callable[[Suggestion], bool]:
    return lambda one: not plain(one.text).startswith(words)


def _nearly(words: str) -> Callable[[str], bool]:
    return lambda text: _alike(words, text) >= ALIKE_MIN


def _likeness(words: str) -> Callable[[Suggestion], float]:
    return lambda one: -_alike(words, one.text)


def _alike(words: str, text: str) -> float:
    """How much like what was typed the text is, from its beginning or from any of its words on."""
    there = plain(text).split()
    beginnings = (" ".join(there[at:])[: len(words)] for at in range(len(there)))
    return max((SequenceMatcher(None, words, beginning).ratio() for beginning in beginnings), default=0.0)
