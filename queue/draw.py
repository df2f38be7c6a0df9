"""The draw: everybody of the pre-queue gets a new number, by a rule that anyone can work out again. Pure.

    key = draw_key(seed, beacon, size)          # HMAC-SHA256(seed, "onsale draw 1\\n" beacon "\\n" size)
    drawn = permutation(key, size).drawn(17)    # 1..size, and .joined(drawn) == 17

A number less one is a pair of halves of `half_bits` bits each. Ten Feistel rounds: (left, right) becomes (right, left
xor f(round, right)), f being the last bits of the first four bytes of HMAC-SHA256(key, round, right); a result that is
no number of the pre-queue goes through the ten rounds again (cycle walking). So no drawn number is ever stored.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

ROUNDS = 10
# A smaller house of cards shuffles worse: two numbers go through 256 places, too.
HALF_BITS_MIN = 4
SEED_BYTES = 32
SIZE_MAX = (1 << 31) - 1
# The walk leaves the places beyond `size` with a chance of more than 1 in 4 each time (1 in 256 for one number alone).
WALK_MAX = 1 << 16
WEIGHT_MAX = 100


@dataclass(frozen=True, slots=True)
class DrawState:
    """What everybody may know of an event's draw; `seed`, `beacon_value` and `key` are empty until it was held.

    `size`: how many numbers are drawn, None while entries are open. `beacon_name` empty: there is none.
    """

    seed_hash: str
    beacon_name: str
    size: int | None = None
    # ISO 8601: a beacon that was published before this moment proves nothing.
    closed_at: str | None = None
    without_beacon: bool = False
    seed: str = ""
    beacon_value: str = ""
    key: str = ""
    # (how much an entry may count, of how many people at most), beside all those that count once.
    weights: tuple[tuple[int, int], ...] = ()
    # Its value is in, and told when the numbers are drawn: an opening that was put off is what is waited for.
    beacon_known: bool = False

    @property
    def held(self) -> bool:
        """Whether the numbers are drawn."""
        return bool(self.key)

    @property
    def waits_for(self) -> str | None:
        """`opening`, then `beacon` (or the organiser's word to go without it), and `opening` again where that was put
        off since; None once it was held.
        """
        if self.held:
            return None
        has_beacon = self.beacon_known or self.without_beacon or not self.beacon_name
        return "opening" if self.size is None or has_beacon else "beacon"

    def document(self) -> dict[str, Any]:
        """As the queue status tells it, ready for JSON."""
        return {
            "seed_hash": self.seed_hash,
            "beacon_name": self.beacon_name or None,
            "waits_for": self.waits_for,
            "size": self.size,
            "closed_at": self.closed_at,
            "without_beacon": self.without_beacon,
            "seed": self.seed or None,
            "beacon_value": self.beacon_value or None,
            "weights": [{"weight": weight, "people_max": people} for weight, people in self.weights],
        }


def draw_of(told: Mapping[str, Any] | None) -> DrawState | None:
    """What is public of a draw, from what is on record or kept of it as JSON."""
    if not told:
        return None
    return DrawState(**{**told, "weights": tuple((weight, people) for weight, people in told.get("weights", ()))})


def seed_hash(seed: bytes) -> str:
    """What is published before the pre-queue opens: the seed cannot be another one afterwards."""
    return sha256(seed).hexdigest()


def draw_key(seed: bytes, beacon: str, size: int) -> bytes:
    """The key of the permutation; `beacon` is empty where the draw is held without one."""
    return hmac.digest(seed, f"onsale draw 1\n{beacon}\n{size}".encode(), "sha256")


def entrant_id(seed: bytes, buyer_id: UUID) -> str:
    """The name somebody goes by in the list of a draw: they can work it out, nobody can go back from it to them."""
    return hmac.digest(seed, b"entrant" + buyer_id.bytes, "sha256")[:12].hex()


def half_bits(size: int) -> int:
    """How many bits each half has, so that both together count at least to `size`."""
    return max(HALF_BITS_MIN, ((size - 1).bit_length() + 1) // 2)


class Permutation:
    """A one-to-one map of 1..size onto itself. Rounds are remembered as they are needed: at most 10 * 2^half_bits."""

    def __init__(self, key: bytes, size: int) -> None:
        if not 0 < size <= SIZE_MAX:
            raise ValueError(f"a draw has 1 to {SIZE_MAX} numbers, not {size}")
        self.size = size
        self._key = key
        self._bits = half_bits(size)
        self._mask = (1 << self._bits) - 1
        self._seen: list[dict[int, int]] = [{} for _ in range(ROUNDS)]

    def drawn(self, number: int) -> int:
        """The drawn number of a pre-queue number. Raises ValueError for one that was not in the draw."""
        return self._walk(number, range(ROUNDS), backwards=False)

    def joined(self, drawn: int) -> int:
        """The pre-queue number that was drawn as this one: the inverse."""
        return self._walk(drawn, range(ROUNDS - 1, -1, -1), backwards=True)

    def _walk(self, number: int, rounds: range, *, backwards: bool) -> int:
        if not 0 < number <= self.size:
            raise ValueError(f"{number} is no number of a draw of {self.size}")
        at = number - 1
        for _ in range(WALK_MAX):
            left, right = at >> self._bits, at & self._mask
            if backwards:
                left, right = right, left
            for nth in rounds:
                left, right = right, left ^ self._mixed(nth, right)
            if backwards:
                left, right = right, left
            at = left << self._bits | right
            if at < self.size:
                return at + 1
        raise AssertionError("a cycle of a permutation returns to where it began")

    def _mixed(self, nth: int, right: int) -> int:
        seen = self._seen[nth]
        if right not in seen:
            digest = hmac.digest(self._key, bytes([nth]) + right.to_bytes(4, "big"), "sha256")
            seen[right] = int.from_bytes(digest[:4], "big") & self._mask
        return seen[right]


@lru_cache(maxsize=64)
def permutation(key: bytes, size: int) -> Permutation:
    """The permutation of a draw, the same object for all who ask, so that its rounds are worked out once."""
    return Permutation(key, size)


@dataclass(frozen=True, slots=True)
class Weighted:
    """Which of somebody's pre-queue numbers counts, as which drawn number, and the others, which are used up."""

    joined: int
    drawn: int
    spent: tuple[int, ...]


def joined_as(draw: DrawState | None, number: int) -> int:
    """The number that somebody joined with who has this one now: another one where it was drawn."""
    if draw is None or not draw.held or draw.size is None or number > draw.size:
        return number
    return permutation(bytes.fromhex(draw.key), draw.size).joined(number)


def drawn_as(draw: DrawState | None, number: int, *, weight: int = 1) -> int | None:
    """The number that somebody has now who joined with this one; None while it is still to be drawn."""
    if draw is None or (draw.size is not None and number > draw.size):
        return number
    if not draw.held or not draw.size:
        return None
    return best_of(permutation(bytes.fromhex(draw.key), draw.size), number, weight).drawn


def best_of(drawn: Permutation, first: int, weight: int) -> Weighted:
    """Who holds `weight` pre-queue numbers in a row from `first` on gets the best one; the others are spent.

    Raises ValueError for a weight that is not 1..WEIGHT_MAX, or numbers that were not in the draw.
    """
    if not 0 < weight <= WEIGHT_MAX:
        raise ValueError(f"a weight is 1 to {WEIGHT_MAX}, not {weight}")
    found = {drawn.drawn(number): number for number in range(first, first + weight)}
    best = min(found)
    return Weighted(found[best], best, tuple(number for at, number in found.items() if at != best))
