"""How the copy keeps a ticket in eleven bytes; the record writes the same, so that a house is compared as bytes."""

from __future__ import annotations

import struct

from onsale.db.ids import TICKETS_PER_EVENT_MAX, TicketId

# Row version, letter and deadline in ms. Eleven zeros: never marked, so free at version 0.
_MARK = struct.Struct(">Ic6s")
MARK_BYTES = _MARK.size
LETTER_AT = 4
FREE, HELD, SOLD = "f", "h", "s"
# Six bytes of milliseconds: the year 10889.
SOLD_UNTIL_MS = (1 << 48) - 1
_NEVER_MARKED = bytes.maketrans(b"\0", FREE.encode())


def ordinal_of(ticket: TicketId) -> int:
    """Which ticket of its event it is, counted from 1."""
    return ticket & TICKETS_PER_EVENT_MAX


def letters(marks: bytes) -> bytes:
    """The letter of each ticket of these marks."""
    return marks[LETTER_AT::MARK_BYTES].translate(_NEVER_MARKED)


def marks_that_differ(first: int, record: bytes, copy: bytes) -> list[tuple[int, int, int]]:
    """(ordinal, version, until_ms) as the record has them, where the copy has something else; `first` is an ordinal."""
    if record == copy:
        return []
    return [
        (first + at // MARK_BYTES, *_read(record[at : at + MARK_BYTES]))
        for at in range(0, len(record), MARK_BYTES)
        if record[at : at + MARK_BYTES] != copy[at : at + MARK_BYTES]
    ]


def _read(mark: bytes) -> tuple[int, int]:
    version, _, until = _MARK.unpack(mark)
    return version, int.from_bytes(until, "big")
