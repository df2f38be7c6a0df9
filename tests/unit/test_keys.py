"""Names of keys and places."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.ids import EventId
from onsale.queue.keys import BUYER_BUCKETS, EventKeys, address_digest, number_place, return_place, split_place

KEYS = EventKeys(EventId(42))


def every_key() -> list[str]:
    plain = [value for name, value in vars(KEYS).items() if not name.startswith("_")]
    digest = address_digest("198.51.100.1")
    return [*plain, *KEYS.numbers_lane(), *KEYS.returns_lane(), KEYS.buyers(uuid4()), KEYS.address(digest)]


def test_every_key_carries_the_events_tag_once() -> None:
    keys = every_key()

    assert len(set(keys)) == len(keys)
    for key in keys:
        assert re.findall(r"\{[^}]*\}", key) == ["{42}"]


def test_buyers_spread_evenly_over_the_buckets() -> None:
    people = 100_000
    buckets = [0] * BUYER_BUCKETS
    for _ in range(people):
        buckets[int(KEYS.buyers(uuid4()).rpartition(":")[2])] += 1

    # A listpack of at most 512 entries; a million people are 122 in each.
    assert max(buckets) < 4 * people / BUYER_BUCKETS


def test_a_buyer_is_always_in_the_same_bucket() -> None:
    assert KEYS.buyers(UUID(int=2**127 + 5)) == KEYS.buyers(UUID(int=2**127 + 5))


@given(st.integers(1, 2**31))
def test_a_place_is_read_back_as_it_was_written(number: int) -> None:
    assert split_place(number_place(number)) == (False, number)
    assert split_place(return_place(number)) == (True, number)


@pytest.mark.parametrize("text", ["", "r", "0", "r0", "-1", "1.5", "1e3", " 1", "1 ", "R1", "rr1", "x", "٣", "9" * 11])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        split_place(text)


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    try:
        is_return, number = split_place(text)
    except ValueError:
        return
    assert number > 0
    assert text.removeprefix("r").lstrip("0") == str(number)
    assert is_return == text.startswith("r")


def test_an_address_counts_by_network_only_where_one_person_has_a_whole_network() -> None:
    assert address_digest("2001:db8::1") == address_digest("2001:db8::ffff:1")
    assert address_digest("2001:db8::1") != address_digest("2001:db8:0:1::1")
    assert address_digest("198.51.100.1") != address_digest("198.51.100.2")
    assert address_digest("fe80::1%eth0") == address_digest("fe80::2")
    assert len({address_digest(odd) for odd in ("", "unknown", "::not::an::address")}) == 3
