"""Reads the messages of PostgreSQL's `pgoutput`, protocol version 1: what has changed, and where a transaction ends.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What became of a row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True)
class Change:
    """A row, with its values as text: the new ones, for a deleted row its key, for a truncated table none.

    Long values that an update left alone are not sent and are missing here: whoever needs them reads the record.
    """

    table: str
    kind: Kind
    row: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of a transaction. Confirm `end_lsn`: with the LSN of the commit itself the server would send it again.

    `xid` has 32 bits, as the protocol sends it; None when all that is told is visible already.
    """

    lsn: int
    end_lsn: int
    xid: int | None


class UnknownMessage(Exception):
    """The server sent what protocol version 1 does not have. The slot's plugin or options are not ours."""


class Decoder:
    """Turns one connection's messages into changes, in order; the server describes each table before its first row."""

    def __init__(self) -> None:
        self._tables: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._xid = 0

    def read(self, message: bytes) -> list[Change | Commit]:
        """What a message says: nothing, the end of a transaction, one change, or two when a row's key has changed."""
        kind, body = message[:1], _Body(message, 1)
        match kind:
            case b"C":
                body.skip(1)
                return [Commit(body.int64(), body.int64(), self._xid)]
            case b"B":
                # Before it: where the transaction ends, and when.
                body.skip(16)
                self._xid = body.uint32()
                return []
            case b"R":
                self._describe(body)
                return []
            case b"I":
                table, columns = self._tables[body.int32()]
                body.skip(1)
                return [Change(table, Kind.INSERT, body.row(columns))]
            case b"U":
                return self._update(body)
            case b"D":
                table, columns = self._tables[body.int32()]
                body.skip(1)
                return [Change(table, Kind.DELETE, body.row(columns))]
            case b"T":
                count = body.int32()
                body.skip(1)
                return [Change(self._tables[body.int32()][0], Kind.TRUNCATE, {}) for _ in range(count)]
            case b"O" | b"Y" | b"M":
                return []
        raise UnknownMessage(repr(kind))

    def _describe(self, body: _Body) -> None:
        oid, _, table = body.int32(), body.text(), body.text()
        body.skip(1)
        self._tables[oid] = (table, tuple(body.column() for _ in range(body.int16())))

    def _update(self, body: _Body) -> list[Change | Commit]:
        table, columns = self._tables[body.int32()]
        changes: list[Change | Commit] = []
        if body.letter() in (b"K", b"O"):
            changes.append(Change(table, Kind.DELETE, body.row(columns)))
            body.skip(1)
        return [*changes, Change(table, Kind.UPDATE, body.row(columns))]


class _Body:
    """A message, read from front to back."""

    def __init__(self, message: bytes, at: int) -> None:
        self._message = message
        self._at = at

    def skip(self, count: int) -> None:
        self._at += count

    def letter(self) -> bytes:
        self._at += 1
        return self._message[self._at - 1 : self._at]

    def int16(self) -> int:
        return self._number(">h", 2)

    def int32(self) -> int:
        return self._number(">i", 4)

    def uint32(self) -> int:
        return self._number(">I", 4)

    def int64(self) -> int:
        return self._number(">q", 8)

    def text(self) -> str:
        end = self._message.index(b"\0", self._at)
        self._at, begin = end + 1, self._at
        return self._message[begin:end].decode()

    def column(self) -> str:
        """A column's name; its flags, type and modifier are not needed."""
        self.skip(1)
        name = self.text()
        self.skip(8)
        return name

    def row(self, columns: tuple[str, ...]) -> dict[str, str | None]:
        """The values sent. A delete sends null for what is no part of the key: a key is never null."""
        values: dict[str, str | None] = {}
        for index in range(self.int16()):
            letter = self.letter()
            if letter == b"t":
                length = self.int32()
                values[columns[index]] = self._message[self._at : self._at + length].decode()
                self.skip(length)
            elif letter == b"n":
                values[columns[index]] = None
        return values

    def _number(self, form: str, size: int) -> int:
        (number,) = struct.unpack_from(form, self._message, self._at)
        self.skip(size)
        return int(number)
