"""What a line of the chained sale log looks like, and how a batch of lines is hashed. Pure.

docs/sale-report.md says the same to a stranger, and `onsale/report/verify_report.py` works it out again on its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import orjson

# Of the first batch of an event.
NOTHING_BEFORE = bytes(32)
NO_ID = UUID(int=0)
PSEUDONYM_CHARACTERS = 24
MARK_CHARACTERS = 8
ADDRESS_INSTEAD = "(address)"
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+")


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines `first` to `last` of an event, closed: `hash` covers them and `previous`, the hash of the batch before.

    `marks` are the first characters of each line's own hash: they say which line of a batch is another one.
    """

    event_id: int
    seq: int
    first: int
    last: int
    at: str
    marks: str
    previous: bytes
    hash: bytes

    @property
    def head(self) -> bytes:
        """Everything but the hash, which is over this and the lines."""
        return canonical(self._told())

    @property
    def line(self) -> bytes:
        """As it stands in a report."""
        return canonical({**self._told(), "hash": self.hash.hex()})

    def _told(self) -> dict[str, object]:
        return {
            "t": "batch",
            "event": self.event_id,
            "batch": self.seq,
            "first": self.first,
            "last": self.last,
            "at": self.at,
            "marks": self.marks,
            "previous": self.previous.hex(),
        }


def canonical(document: Mapping[str, object]) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: one way to write each document."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def pseudonym(key: bytes, name: UUID) -> str:
    """Stands for a buyer, a booking, a refund or a member of staff: the same one within an event, nobody without the
    event's key.
    """
    return hmac.new(key, str(name).encode(), hashlib.sha256).hexdigest()[:PSEUDONYM_CHARACTERS]


def line(source: str, facts: Mapping[str, object], *, at: str, position: int, key: bytes) -> str:
    """The canonical line of a row: its position, when, what it is, and what happened, without a name in it."""
    told = without_names(facts, key=key)
    assert isinstance(told, dict)
    return canonical({**told, "t": source, "at": at, "n": position}).decode()


def without_names(value: object, *, key: bytes) -> object:
    """The same with every id made a pseudonym and every mail address left out, however deep."""
    if isinstance(value, str):
        if "-" in value:
            value = _UUID.sub(lambda found: pseudonym(key, UUID(found[0])), value)
        return _ADDRESS.sub(ADDRESS_INSTEAD, value) if "@" in value else value
    if isinstance(value, Mapping):
        told = {str(without_names(name, key=key)): without_names(each, key=key) for name, each in value.items()}
        # Where places were taken from is nobody's business, not even a whole block of it.
        return {**told, "network": ADDRESS_INSTEAD} if told.get("network") else told
    if isinstance(value, list):
        return [without_names(each, key=key) for each in value]
    return value


def close(event_id: int, lines: Sequence[str], *, after: Batch | None, at: str) -> Batch:
    """The batch that these lines make after that one: SHA-256 over its head and its lines, each ended by a newline."""
    begun = Batch(
        event_id=event_id,
        seq=after.seq + 1 if after else 1,
        first=after.last + 1 if after else 1,
        last=(after.last if after else 0) + len(lines),
        at=at,
        marks="".join(mark(each) for each in lines),
        previous=after.hash if after else NOTHING_BEFORE,
        hash=b"",
    )
    digest = hashlib.sha256(begun.head + b"\n")
    for each in lines:
        digest.update(each.encode() + b"\n")
    return replace(begun, hash=digest.digest())


def mark(line: str) -> str:
    """The beginning of a line's hash."""
    return hashlib.sha256(line.encode()).hexdigest()[:MARK_CHARACTERS]
