"""Codes by which a place moves to another device: kept as digests, for minutes, used once.

    moves = Moves(client, Tokens(...).code_digest)
    code = moves.offer(Moving(...))    # shown on the old device
    moves.take(code)                   # what the new device sends; None: never was, used, or too late

A code that Redis loses is asked for again, so nothing of it is in the record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import orjson
from redis import Redis
from redis.exceptions import RedisError

from onsale.db.ids import BuyerId, EventId
from onsale.errors import QueueUnavailable

# Ten of these are fifty bits: at a million live codes a guess succeeds once in a thousand million.
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LETTERS = 10
LIFE_SECONDS = 300
# What people read for what is not among the letters.
_READ_AS = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Moving:
    """Whose place a code moves, and the device that showed the code."""

    event_id: EventId
    buyer_id: BuyerId
    guest: bool
    device: bytes


class Moves:
    """The codes of all events on the queue's Redis. `digest` is keyed: a copy of Redis gives no code away."""

    def __init__(self, client: Redis, digest: Callable[[str], str]) -> None:
        self._client = client
        self._digest = digest

    def offer(self, moving: Moving) -> str:
        """A fresh code for this place."""
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LETTERS))
        kept = [moving.event_id, moving.buyer_id.hex, moving.guest, moving.device.hex()]
        try:
            self._client.set(self._key(code), orjson.dumps(kept), ex=LIFE_SECONDS)
        except RedisError as error:
            raise QueueUnavailable from error
        return code

    def take(self, code: str) -> Moving | None:
        """What the code moves; from now on it moves nothing."""
        plain = plain_code(code)
        if plain is None:
            return None
        try:
            kept = self._client.getdel(self._key(plain))
        except RedisError as error:
            raise QueueUnavailable from error
        if kept is None:
            return None
        event_id, buyer, guest, device = orjson.loads(kept)
        return Moving(EventId(event_id), BuyerId(UUID(hex=buyer)), guest, bytes.fromhex(device))

    def _key(self, code: str) -> str:
        return f"move:{self._digest(code)}"


def plain_code(text: str) -> str | None:
    """A code as it was made, however somebody typed it; None for what cannot be one."""
    letters = "".join(text.upper().replace("-", " ").split()).translate(_READ_AS)
    return letters if len(letters) == CODE_LETTERS and set(letters) <= set(LETTERS) else None


def spoken(code: str) -> str:
    """A code in two groups, for reading aloud and typing."""
    half = CODE_LETTERS // 2
    return f"{code[:half]}-{code[half:]}"
