"""Hashes and checks passwords with argon2id, the same time for an e-mail nobody has, a few at once per process."""

from __future__ import annotations

import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Each one takes 64 MiB and a core for tens of milliseconds: a flood of sign-ins must not starve the queue.
AT_ONCE_MAX = 2

_hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(AT_ONCE_MAX)


def hashed(password: str) -> str:
    """The hash to keep."""
    with _turns:
        return _hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether this is the password; None (no such account) takes as long and says no."""
    with _turns:
        try:
            return _hasher.verify(password_hash or _nobodys(), password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return _hasher.hash("the password of nobody")
