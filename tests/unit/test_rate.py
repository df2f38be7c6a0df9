"""The rate, in exact integers: nothing lost, nothing given too early."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onsale.queue.rate import RATE_PER_MINUTE_MAX, TURN_CREDITS, Bucket, capacity, empty, settled, spent, turns

rates = st.integers(1, RATE_PER_MINUTE_MAX)


def test_an_empty_bucket_admits_nobody() -> None:
    assert turns(empty(1_000)) == 0


def test_a_second_earns_a_sixtieth_of_the_rate() -> None:
    assert turns(settled(empty(0), rate_per_minute=600, now_us=1_000_000)) == 10


def test_the_bucket_holds_two_seconds_of_rate_and_at_a_low_rate_less_than_two_people() -> None:
    assert turns(settled(empty(0), rate_per_minute=24_000, now_us=3_600_000_000)) == 800
    assert turns(settled(empty(0), rate_per_minute=1, now_us=3_600_000_000)) == 1
    assert turns(settled(empty(0), rate_per_minute=59, now_us=3_600_000_000)) <= 2


def test_rate_zero_empties_the_bucket() -> None:
    assert settled(Bucket(TURN_CREDITS, 0), rate_per_minute=0, now_us=1_000_000) == Bucket(0, 1_000_000)


def test_a_clock_that_jumped_back_earns_nothing_and_goes_on_from_now() -> None:
    back = settled(Bucket(5, 9_000_000), rate_per_minute=600, now_us=1_000_000)

    assert back == Bucket(5, 1_000_000)


@given(per_minute=rates, pieces=st.lists(st.integers(0, 400_000), max_size=40))
def test_earning_in_pieces_is_earning_at_once(per_minute: int, pieces: list[int]) -> None:
    in_pieces, now_us, admitted = empty(0), 0, 0
    for piece in pieces:
        now_us += piece
        in_pieces = settled(in_pieces, rate_per_minute=per_minute, now_us=now_us)
        people = turns(in_pieces)
        in_pieces = spent(in_pieces, people)
        admitted += people

    # Never out of room with pieces so short, so every microsecond counted.
    assert admitted == now_us * per_minute // TURN_CREDITS


@given(per_minute=rates, waits=st.lists(st.integers(-5_000_000, 10_000_000), min_size=1, max_size=40))
def test_no_window_admits_more_than_the_rate_and_the_burst(per_minute: int, waits: list[int]) -> None:
    bucket, now_us, admitted, earned = empty(0), 0, 0, 0
    lowest = 0
    for wait in waits:
        now_us += wait
        earned += max(0, wait) * per_minute
        bucket = settled(bucket, rate_per_minute=per_minute, now_us=now_us)
        people = turns(bucket)
        lowest = min(lowest, admitted * TURN_CREDITS - earned)
        bucket = spent(bucket, people)
        admitted += people
        assert admitted * TURN_CREDITS - earned <= lowest + capacity(per_minute)


@given(per_minute=rates, credits=st.integers(0, 10**13), elapsed=st.integers(0, 10**15))
def test_every_number_stays_within_what_lua_counts_exactly(per_minute: int, credits: int, elapsed: int) -> None:
    bucket = settled(Bucket(min(credits, capacity(per_minute)), 0), rate_per_minute=per_minute, now_us=elapsed)

    longest = capacity(per_minute) // per_minute + 1
    assert capacity(per_minute) + longest * per_minute < 2**53
    assert 0 <= bucket.credits <= capacity(per_minute)
