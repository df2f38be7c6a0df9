"""The computation of newcomers: what is solved is accepted, and a bit less is not."""

from __future__ import annotations

import pytest

from onsale.queue.work import NONCE_CHARACTERS_MAX, SOLUTION, expected_tries, is_solved, solve


@pytest.mark.parametrize("bits", [1, 8, 12])
def test_a_solution_is_accepted(bits: int) -> None:
    challenge, _, nonce = solve("w1.k1.AAAA.BBBB", bits).partition(":")

    assert is_solved(challenge, nonce, bits)


def test_a_hash_with_a_bit_too_few_is_not() -> None:
    bits = {nonce: max(bits for bits in range(64) if is_solved("c", str(nonce), bits)) for nonce in range(500)}

    assert all(not is_solved("c", str(nonce), found + 1) for nonce, found in bits.items())
    # About half of all hashes begin with a zero, a quarter with two.
    assert 200 < sum(found >= 1 for found in bits.values()) < 300


@pytest.mark.parametrize(
    "text", ["", "a", "a:", ":1", "a:b", "a:-1", "a:1:1", "a b:1", "a:" + "1" * (NONCE_CHARACTERS_MAX + 1)]
)
def test_what_is_no_solution_is_not_read_as_one(text: str) -> None:
    assert SOLUTION.fullmatch(text) is None


def test_each_bit_doubles_the_tries() -> None:
    assert [expected_tries(bits) for bits in (0, 1, 10, 26)] == [0, 2, 1024, 67_108_864]
