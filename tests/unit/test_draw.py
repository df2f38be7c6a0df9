"""The draw's rule: one to one, the same everywhere, and no better for anybody."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from onsale.queue.draw import (
    WEIGHT_MAX,
    DrawState,
    Permutation,
    best_of,
    draw_key,
    half_bits,
    permutation,
    seed_hash,
)

SEED = bytes(range(32))


def a_draw(size: int, *, seed: bytes = SEED, beacon: str = "round 1") -> Permutation:
    return Permutation(draw_key(seed, beacon, size), size)


@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 255, 256, 257, 1_000, 4_096, 10_007])
def test_everybody_gets_one_number_and_every_number_goes_to_one(size):
    drawn = a_draw(size)

    assert sorted(drawn.drawn(number) for number in range(1, size + 1)) == list(range(1, size + 1))


@pytest.mark.parametrize("seed", range(20))
def test_the_inverse_leads_back(seed):
    chance = random.Random(seed)
    size = chance.randint(1, 1 << chance.randint(1, 31)) if seed else (1 << 31) - 1
    drawn = a_draw(size, seed=chance.randbytes(32))

    for number in {1, size, *(chance.randint(1, size) for _ in range(50))}:
        assert drawn.joined(drawn.drawn(number)) == number
        assert drawn.drawn(drawn.joined(number)) == number


def test_the_numbers_are_those_the_documentation_tells():
    # Whoever changes this breaks every draw that was announced: browser, verifier and documentation say the same.
    drawn = a_draw(1_000)

    assert seed_hash(SEED) == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
    assert [drawn.drawn(number) for number in (1, 2, 3, 500, 1_000)] == PINNED


PINNED = [418, 580, 962, 89, 355]


@pytest.mark.parametrize("number", [0, -1, 11])
def test_a_number_that_was_not_in_the_draw_is_refused(number):
    with pytest.raises(ValueError, match="no number of a draw of 10"):
        a_draw(10).drawn(number)
    with pytest.raises(ValueError, match="no number of a draw of 10"):
        a_draw(10).joined(number)


@pytest.mark.parametrize("size", [0, -1, 1 << 31])
def test_a_draw_of_nobody_or_of_too_many_is_refused(size):
    with pytest.raises(ValueError, match="a draw has 1 to"):
        Permutation(bytes(32), size)


def test_the_halves_hold_every_number():
    for size in (1, 2, 255, 256, 257, 65_536, 65_537, (1 << 31) - 1):
        assert 1 << 2 * half_bits(size) >= size
        assert half_bits(size) <= 16


def test_seed_beacon_and_size_each_change_the_key():
    keys = {draw_key(SEED, "a", 10), draw_key(SEED, "b", 10), draw_key(SEED, "a", 11), draw_key(bytes(32), "a", 10)}

    assert len(keys) == 4


def chi_square_p(observed: list[int], expected: float) -> float:
    """The chance of a worse fit (Wilson and Hilferty's approximation, good far beyond what is asked of it here)."""
    freedom = len(observed) - 1
    found = sum((one - expected) ** 2 for one in observed) / expected
    spread = math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(((found / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / spread / math.sqrt(2))


def test_over_many_draws_nobody_has_a_better_place():
    # 200 draws of 1,000: in which tenth the first, the last and a middle one were drawn, and which ones came first.
    draws = [a_draw(1_000, beacon=f"round {nth}") for nth in range(200)]

    for number in (1, 500, 1_000):
        tenths = Counter((drawn.drawn(number) - 1) // 100 for drawn in draws)
        assert chi_square_p([tenths[tenth] for tenth in range(10)], 20) > 1e-4
    first = Counter((drawn.joined(place) - 1) // 100 for drawn in draws for place in range(1, 101))
    assert chi_square_p([first[tenth] for tenth in range(10)], 2_000) > 1e-4


def test_three_people_are_drawn_in_each_of_the_six_orders_equally_often():
    orders = Counter(
        tuple(drawn.drawn(number) for number in (1, 2, 3))
        for drawn in (a_draw(3, beacon=f"round {nth}") for nth in range(1_200))
    )

    assert len(orders) == 6
    assert chi_square_p(list(orders.values()), 200) > 1e-4


def correlation(left: list[int], right: list[int]) -> float:
    mean_left, mean_right = sum(left) / len(left), sum(right) / len(right)
    both = sum((a - mean_left) * (b - mean_right) for a, b in zip(left, right, strict=True))
    own = sum((a - mean_left) ** 2 for a in left) * sum((b - mean_right) ** 2 for b in right)
    return both / math.sqrt(own)


@pytest.mark.parametrize("beacon", ["round 2", "round 1 ", "", "2"])
def test_knowing_the_seed_before_the_beacon_predicts_nothing(beacon):
    # What somebody who knows the seed would work out with another beacon, against what comes out.
    size = 10_000
    guess, real = a_draw(size, beacon=beacon), a_draw(size, beacon="round 1")
    numbers = range(1, size + 1)

    found = correlation([guess.drawn(one) for one in numbers], [real.drawn(one) for one in numbers])

    # Four standard deviations of chance.
    assert abs(found) < 4 / math.sqrt(size)
    assert sum(guess.drawn(one) == real.drawn(one) for one in numbers) < 10


def test_one_entry_more_or_less_is_another_draw():
    one, other = a_draw(1_000), a_draw(1_001)

    assert sum(one.drawn(number) == other.drawn(number) for number in range(1, 1_001)) < 10


def test_all_who_ask_share_one_permutation():
    assert permutation(bytes(32), 10) is permutation(bytes(32), 10)


def test_of_several_numbers_the_best_counts_and_the_others_are_spent():
    drawn = a_draw(1_000)

    found = best_of(drawn, 17, 5)

    assert found.drawn == min(drawn.drawn(number) for number in range(17, 22))
    assert drawn.drawn(found.joined) == found.drawn
    assert sorted((found.joined, *found.spent)) == [17, 18, 19, 20, 21]


def test_a_weight_is_a_chance_so_many_times_as_large():
    # With three numbers of 100 one is first three times as often as with one.
    firsts = Counter(
        name
        for nth in range(2_000)
        for drawn in [a_draw(100, beacon=f"round {nth}")]
        for name, first, weight in (("one", 1, 1), ("three", 2, 3))
        if best_of(drawn, first, weight).drawn <= 10
    )

    # 10 % and 1 - 0.9^3 = 27 %, give or take five standard deviations.
    assert abs(firsts["one"] - 200) < 70
    assert abs(firsts["three"] - 546) < 100


@pytest.mark.parametrize("weight", [0, -1, WEIGHT_MAX + 1])
def test_a_weight_out_of_bounds_is_refused(weight):
    with pytest.raises(ValueError, match="a weight is 1 to"):
        best_of(a_draw(1_000), 1, weight)


def test_what_a_draw_waits_for():
    announced = DrawState("ab", "round 1")

    assert announced.waits_for == "opening"
    assert DrawState("ab", "round 1", size=10).waits_for == "beacon"
    assert DrawState("ab", "round 1", size=10, key="cd").waits_for is None
    # The opening was put off: what else was waited for is there, or is not waited for.
    closed_early = [{"beacon_known": True}, {"without_beacon": True}, {"beacon_name": ""}]
    for said in closed_early:
        assert DrawState(**{"seed_hash": "ab", "beacon_name": "round 1", "size": 10, **said}).waits_for == "opening"
