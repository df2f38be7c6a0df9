"""Advisory locks of the record: who works alone until the transaction ends, and who is there at all."""

from __future__ import annotations

import zlib

from sqlalchemy import Connection, text

from onsale.db.ids import EventId

# "LANE", "PART", "CARD", "CALL" and "WORK" in ASCII, above the 32 bits of an event's id, a checksum or a claimant's
# number.
_LANE = 0x4C414E45 << 32
_PART = 0x50415254 << 32
WORK = 0x574F524B
_CARD = 0x43415244 << 32
_CALL = 0x43414C4C << 32
_TRY = text("SELECT pg_try_advisory_xact_lock(:key)")
_WAIT = text("SELECT pg_advisory_xact_lock(:key)")
_WAIT_TOGETHER = text("SELECT pg_advisory_xact_lock_shared(:key)")


def of_lane(event_id: EventId) -> int:
    """The key of the event's lane."""
    return _LANE | event_id


def try_alone(connection: Connection, name: str) -> bool:
    """Be the only one who does this named work; False when someone else is at it."""
    return bool(connection.execute(_TRY, {"key": _PART | zlib.crc32(name.encode())}).scalar_one())


def one_card(connection: Connection, fingerprint: str) -> None:
    """Wait until nobody else counts what this card buys; two cards of one checksum wait for each other in vain."""
    connection.execute(_WAIT, {"key": _CARD | zlib.crc32(fingerprint.encode())})


def calling_off(connection: Connection, event_id: EventId) -> None:
    """Wait for all who go by the event's not being cancelled; whoever comes after sees that it is."""
    connection.execute(_WAIT, {"key": _CALL | event_id})


def not_called_off(connection: Connection, event_id: EventId) -> None:
    """What the next statement reads of the event's cancellation is so until the transaction ends."""
    connection.execute(_WAIT_TOGETHER, {"key": _CALL | event_id})


def claimant(number: int) -> int:
    """The key that a claimant with this number holds; pg_locks shows it as classid WORK and this objid."""
    return WORK << 32 | number
