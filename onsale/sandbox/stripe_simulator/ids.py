"""Ids like Stripe's that grow with time: a list by id is a list by age, and an index of them grows only at its end."""

from __future__ import annotations

import secrets
import time

TIME_DIGITS = 13
RANDOM_BYTES = 6
MICROSECONDS = 1_000_000


class IdMaker:
    """Hands out ids in rising order. Not thread safe: the store's lock is around it."""

    def __init__(self) -> None:
        self._last = 0

    def new(self, prefix: str) -> str:
        """A new id such as `pi_...`; above every earlier one of this process, also when the clock jumps back."""
        self._last = max(self._last + 1, time.time_ns() // 1_000)
        return f"{prefix}_{self._last:0{TIME_DIGITS}x}{secrets.token_hex(RANDOM_BYTES)}"


def lowest_at(prefix: str, seconds: int) -> str:
    """A bound below every id made at this time or later, and above every earlier one."""
    return f"{prefix}_{max(seconds, 0) * MICROSECONDS:0{TIME_DIGITS}x}"


def kind_of(identifier: str) -> str:
    """The prefix: `pi` of `pi_...`."""
    return identifier.partition("_")[0]


def request_id() -> str:
    return f"req_{secrets.token_hex(8)}"
