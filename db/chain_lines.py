"""What a line of the chained sale log looks like, and how a batch of lines is hashed. Pure.

docs/sale-report.md says the same to a stranger, and `onsale/report/verify_report.py` works it out again on its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

# Of the first batch of an event.
NOTHING_BEFORE = bytes(32)
NO_ID = UUID(int=0)
PSEUDONYM_CHARACTERS = 24
ADDRESS_INSTEAD = "(address)"
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+")


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines `first` to `last` of an event, closed: `hash` covers them and `previous`, the hash of the batch before."""

    event_id: int
    seq: int
    first: int
    last: int
    at: str
    previous: bytes
    hash: bytes

    @property
    def head(self) -> bytes:
        """What is hashed before the lines."""
        return batch_head(self)

    @property
    def line(self) -> bytes:
        """As it stands in a report."""
        return canonical({**_told(self), "hash": self.hash.hex()})


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
        return {str(without_names(name, key=key)): without_names(each, key=key) for name, each in value.items()}
    if isinstance(value, list):
        return [without_names(each, key=key) for each in value]
    return value


def batch_head(batch: Batch) -> bytes:
    """Everything of a batch but its hash."""
    return canonical(_told(batch))


def _told(batch: Batch) -> dict[str, object]:
    return {
        "t": "batch",
        "event": batch.event_id,
        "batch": batch.seq,
        "first": batch.first,
        "last": batch.last,
        "at": batch.at,
        "previous": batch.previous.hex(),
    }


def close(open_batch: Batch, lines: Sequence[str]) -> Batch:
    """The batch with its hash: SHA-256 over its head and its lines, each ended by a newline."""
    digest = hashlib.sha256(open_batch.head + b"\n")
    for each in lines:
        digest.update(each.encode() + b"\n")
    told = open_batch
    return Batch(told.event_id, told.seq, told.first, told.last, told.at, told.previous, digest.digest())
