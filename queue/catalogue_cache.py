"""Copies in Redis of what everybody asks for, events and searches: told only while the change stream vouches for them.

A copy carries how far the change stream was followed before it was read; an older one never takes the place of a newer.
Each shelf has a fixed number of slots, each key ends by itself, and a Redis that does not answer counts as empty.
"""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis

from onsale.queue import lua
from onsale.queue.kept_connections import KeptConnections, KeptScript
from onsale.queue.keys import CatalogueKeys
from onsale.queue.outage import Outage

# What is larger is read from the record by each process: one copy must not push a hundred out.
TEXT_BYTES_MAX = 64 * 1024
# Whoever began to read for everybody and died is waited for no longer than this.
READING_MS = 3_000


@dataclass(frozen=True, slots=True)
class Shelf:
    """A kind of copies, at most `slots` of them. `whole`: any change of the catalogue outdates each."""

    name: str
    slots: int
    keep_ms: int
    whole: bool


# Their floors must outlive whoever still reads what was before: that is READING_MS at most.
EVENTS = Shelf("event", 4_096, 600_000, whole=False)
# Not for long: what begins meanwhile leaves the results without any change of the record.
SEARCHES = Shelf("search", 512, 10_000, whole=True)


class Answer(StrEnum):
    """What became of a look."""

    # Nobody follows the change stream, or Redis is away: read the record, and tell nobody.
    ALONE = "ALONE"
    # What you know is as it was.
    SAME = "SAME"
    HIT = "HIT"
    # It is your turn to read the record, for everybody.
    READ = "READ"
    # Somebody reads it right now.
    WAIT = "WAIT"


@dataclass(frozen=True, slots=True)
class Turn:
    """Who reads the record for everybody, and how far the change stream was followed before."""

    token: str
    generation: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Look:
    """`tag` and `text` of a hit; `turn` when it is ours to read."""

    answer: Answer
    tag: str = ""
    text: bytes = b""
    turn: Turn | None = None


_ALONE = Look(Answer.ALONE)


class CatalogueCache:
    """The copies of one shelf. Thread safe; raises nothing."""

    def __init__(
        self, client: Redis, shelf: Shelf, outage: Outage | None = None, *, sources: dict[str, str] | None = None
    ) -> None:
        """`outage`: of all shelves of this client. `sources` replaces a script's text: negative controls do."""
        kept = KeptConnections(client.connection_pool)
        texts = {name: lua.load(name) for name in ("look_up", "keep")} | (sources or {})
        self._look_up = KeptScript(client, texts["look_up"], kept)
        self._keep = KeptScript(client, texts["keep"], kept)
        self._shelf = shelf
        self._whole = int(shelf.whole)
        self._outage = outage or Outage(f"cache of {shelf.name} copies")

    def look_up(self, name: str, place: int, *, known: str = "") -> Look:
        """The copy of this name in this place; `known` is the tag of the one the caller has."""
        token = secrets.token_hex(8)
        arguments: list[str | bytes | int] = [name, self._whole, known, token, READING_MS, self._shelf.keep_ms]
        told = self._call(self._look_up, name, place, arguments)
        if told is None:
            return _ALONE
        answer = Answer(told[0].decode())
        if answer is Answer.HIT:
            return Look(answer, told[1].decode(), told[2])
        if answer is Answer.READ:
            return Look(answer, turn=Turn(token, told[1].decode(), int(told[2])))
        return Look(answer)

    def told(self, name: str, place: int) -> bytes | None:
        """What is told of this name now; for who only looks, and takes no turn."""
        look = self.look_up(name, place)
        if look.turn is not None:
            self.keep(name, place, look.turn, b"")
        return look.text if look.answer is Answer.HIT else None

    def keep(self, name: str, place: int, turn: Turn, text: bytes) -> bool:
        """Keep what was read, and end the turn; with no text, or with too much of it, only the latter."""
        if len(text) > TEXT_BYTES_MAX:
            text = b""
        whose: list[str | bytes | int] = [name, self._whole, turn.token, turn.generation, turn.stamp]
        return bool(self._call(self._keep, name, place, [*whose, self._shelf.keep_ms, text]))

    def _call(self, script: KeptScript, name: str, place: int, arguments: list[str | bytes | int]) -> Any:
        shelf = self._shelf
        keys = [
            CatalogueKeys.followed,
            CatalogueKeys.slot(shelf.name, place % shelf.slots),
            CatalogueKeys.reading(shelf.name, name),
        ]
        return self._outage.attempt(lambda: script(keys, arguments))


def place_of(text: bytes) -> int:
    """Where on a shelf something is that has no number of its own."""
    return zlib.crc32(text)
