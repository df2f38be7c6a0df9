"""From shows that fit what is being typed to what it may be the beginning of: an artist, a show, a place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from onsale.search import SUGGESTIONS_MAX, Suggested, Suggestion
from onsale.search.folding import plain
from onsale.search.words import alike, has_beginnings

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
    fits = _nearly(words) if near else has_beginnings(words)
    # Each once before it is looked at: many shows are in the same house, and half of them have one of the same artists.
    possible: dict[tuple[Suggested, str], int | None] = {}
    for kind, text, event_id in _possible(seen):
        possible.setdefault((kind, text), event_id)
    found = [Suggestion(kind, text, event_id) for (kind, text), event_id in possible.items() if fits(text)]
    kept: list[Suggestion] = []
    of_a_kind: Counter[Suggested] = Counter()
    for one in sorted(found, key=_likeness(words) if near else _begins_otherwise(words)):
        if of_a_kind[one.kind] < OF_A_KIND_MAX[one.kind]:
            kept.append(one)
            of_a_kind[one.kind] += 1
    return tuple(kept[:SUGGESTIONS_MAX])


def _possible(seen: Sequence[Seen]) -> Iterator[tuple[Suggested, str, int | None]]:
    for show in seen:
        for artist in show.artists:
            yield Suggested.ARTIST, artist, None
        # A show named after who plays is suggested as the artist alone.
        if show.name not in show.artists:
            yield Suggested.EVENT, show.name, show.event_id
        yield Suggested.VENUE, show.venue, None
        yield Suggested.CITY, show.city, None


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
    return max((alike(words, beginning, least=ALIKE_MIN) for beginning in beginnings), default=0.0)
