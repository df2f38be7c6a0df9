"""Numbers that are nobody's: worked out stretch by stretch, they are all but the best of each row."""

from __future__ import annotations

import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.queue.draw import best_of, draw_key, permutation
from onsale.queue.lots import bitmap, row_of, spare

SEED = bytes(range(32))


def rows_of(weights):
    """(first number, weight) of people who join one after the other."""
    number, found = 1, []
    for weight in weights:
        found.append((number, weight))
        number += weight
    return found, number - 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=80), st.integers(1, 30))
def test_all_but_the_best_of_each_row_are_nobodys_in_whatever_stretches(weights, stretch):
    rows, size = rows_of(weights)
    drawn, bits = permutation(draw_key(SEED, "", size), size), bitmap(rows)

    found = [
        number
        for first in range(1, size + 1, stretch)
        for number in spare(bits, drawn, range(first, min(first + stretch, size + 1)))
    ]

    best = {best_of(drawn, first, weight).drawn for first, weight in rows}
    assert found == [number for number in range(1, size + 1) if number not in best]
    assert len(best) == len(rows)
    assert all(row_of(bits, first + step) == (first, weight) for first, weight in rows for step in range(weight))


def test_a_row_ends_with_the_bits():
    # The last bit of the last byte, and beyond.
    assert row_of(bitmap([(4, 4)]), 7) == (4, 4)
    assert row_of(bitmap([(4, 4)]), 900) == (900, 1)
    assert row_of(b"", 1) == (1, 1)


@pytest.mark.parametrize("weight", [2, 5])
def test_the_chance_to_be_among_the_first_follows_the_weight(weight):
    chance, size, first_few, times = random.Random(20_261_128), 1_000, 100, 2_000
    seeds = (chance.randbytes(32) for _ in count())

    came = sum(
        best_of(permutation(draw_key(next(seeds), "", size), size), chance.randint(1, size - weight), weight).drawn
        <= first_few
        for _ in range(times)
    )

    # Without replacement: the chance that none of so many is among the first.
    expected = 1.0
    for step in range(weight):
        expected *= (size - first_few - step) / (size - step)
    expected = 1 - expected
    assert abs(came / times - expected) < 4 * (expected * (1 - expected) / times) ** 0.5
