"""A computation that a newcomer's device does before it joins: find a nonce whose hash begins with enough zero bits.

The challenge is signed and names event, buyer, bits and until when (`Tokens.sign_work`), so nothing is stored: it is
worth nothing to another buyer, and its own buyer gets one number however often it is sent. Pure.
"""

from __future__ import annotations

import hashlib
import re

# 2^26 tries are a minute for a fast machine and many for an old phone: nobody should ask for more.
WORK_BITS_MAX = 26
# Long enough for a slow phone at the hardest, short enough that nobody computes the night before.
WORK_SECONDS = 600
NONCE_CHARACTERS_MAX = 20
# What a client sends: the challenge, a colon, the nonce in decimal digits.
SOLUTION = re.compile(rf"([A-Za-z0-9._-]+):([0-9]{{1,{NONCE_CHARACTERS_MAX}}})")


def is_solved(challenge: str, nonce: str, bits: int) -> bool:
    """Whether SHA-256 of `challenge:nonce` begins with so many zero bits."""
    found = hashlib.sha256(f"{challenge}:{nonce}".encode()).digest()
    return int.from_bytes(found[:8], "big") >> (64 - bits) == 0


def solve(challenge: str, bits: int) -> str:
    """The solution to send; takes 2^bits tries on average. For clients that are not browsers."""
    begun, nonce = hashlib.sha256(f"{challenge}:".encode()), 0
    while True:
        tried = begun.copy()
        tried.update(str(nonce).encode())
        if int.from_bytes(tried.digest()[:8], "big") >> (64 - bits) == 0:
            return f"{challenge}:{nonce}"
        nonce += 1


def expected_tries(bits: int) -> int:
    """How many tries it takes on average."""
    return 1 << bits if bits else 0
