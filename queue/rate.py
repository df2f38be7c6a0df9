"""How many people may be let in now: a bucket of whole turns that fills at the set rate and holds two seconds of it.

The same rule as in `lua/advance.lua`, in exact integers: a turn costs 60,000,000 credits, and each microsecond earns
as many credits as the rate per minute. Nothing is ever divided but when turns are counted, so no remainder is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

TURN_CREDITS = 60_000_000
BURST_US = 2_000_000
# Keeps every product below 2^53, where Lua's numbers are exact.
RATE_PER_MINUTE_MAX = 600_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """Credits, counted up to `at_us` of Redis' clock."""

    credits: int
    at_us: int


def capacity(rate_per_minute: int) -> int:
    """The most credits a bucket holds: two seconds of rate, whole turns at a low one too; nothing at rate 0.

    Below 60 a minute two seconds are less than two turns. Room for one turn alone would lose what is earned between its
    being full and its being spent, so the two seconds come on top of it, up to two turns.
    """
    if rate_per_minute <= 0:
        return 0
    seconds = BURST_US * rate_per_minute
    return max(seconds, min(2 * TURN_CREDITS, TURN_CREDITS + seconds))


def empty(now_us: int) -> Bucket:
    """The bucket at opening and after a pause."""
    return Bucket(0, now_us)


def settled(bucket: Bucket, *, rate_per_minute: int, now_us: int) -> Bucket:
    """The bucket with everything earned until now; a clock that jumped back restarts from now and earns nothing."""
    full = capacity(rate_per_minute)
    if rate_per_minute <= 0 or now_us <= bucket.at_us:
        return Bucket(min(full, bucket.credits), now_us)
    # Longer than this fills any bucket; without the limit an old bucket's product would pass 2^53.
    elapsed_us = min(now_us - bucket.at_us, full // rate_per_minute + 1)
    return Bucket(min(full, bucket.credits + elapsed_us * rate_per_minute), now_us)


def turns(bucket: Bucket) -> int:
    """How many may be let in now."""
    return bucket.credits // TURN_CREDITS


def spent(bucket: Bucket, people: int) -> Bucket:
    """The bucket after letting these in; never more than `turns`."""
    return Bucket(bucket.credits - people * TURN_CREDITS, bucket.at_us)
