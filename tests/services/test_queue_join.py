"""Joining: numbers from 1 without a gap, one per buyer, never given twice, never moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from redis import Redis

from onsale.errors import AddressLimitReached, NotOpenYet, NumbersExhausted, QueueClosed
from onsale.queue.state import Joined, Phase
from tests.services.waiting_room import EVENT, MINUTE_MS, RULES, START_MS, Room, a_buyer, in_parallel


def test_numbers_are_given_from_one_without_a_gap(redis_client: Redis) -> None:
    room = Room(redis_client)

    numbers = room.crowd(50)

    assert numbers == list(range(1, 51))


def test_a_buyer_who_joins_again_keeps_number_and_time(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()
    first = room.join(buyer)
    room.crowd(10)

    again = room.later(5_000).join(buyer, address="198.51.100.1")

    assert again == Joined(first.number, first.joined_at_ms, created=False)


def test_one_buyer_joining_fifty_times_at_once_gets_one_number(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()

    answers = in_parallel(lambda: room.join(buyer), 50)

    assert {answer.number for answer in answers} == {1}
    assert [answer.created for answer in answers].count(True) == 1
    assert room.state().issued == 1


def test_two_hundred_buyers_joining_at_once_get_two_hundred_numbers(redis_client: Redis) -> None:
    room = Room(redis_client)

    answers = in_parallel(room.join, 200)

    assert sorted(answer.number for answer in answers) == list(range(1, 201))


def test_a_proven_number_wins_when_it_is_lower(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()
    room.crowd(10)
    late = room.join(buyer)

    proven = room.join(buyer, proven=4)

    assert (late.number, proven.number, proven.created) == (11, 4, False)
    assert room.join(buyer).number == 4
    assert room.join(buyer, proven=9).number == 4


def test_a_proven_number_comes_back_to_a_buyer_the_queue_has_forgotten(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()
    room.crowd(10)

    joined = room.join(buyer, proven=6)

    assert (joined.number, joined.created) == (6, False)
    assert room.state().issued == 10


def test_a_number_never_given_proves_nothing(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()
    room.crowd(3)

    joined = room.join(buyer, proven=1_000)

    assert (joined.number, joined.created) == (4, True)


def test_no_number_is_given_beyond_the_reserved_block(redis_client: Redis) -> None:
    room, buyer = Room(redis_client, block=3), a_buyer()
    room.crowd(3)

    with pytest.raises(NumbersExhausted) as refused:
        room.join(buyer)
    assert refused.value.retry_after_seconds == 1

    assert room.store.grant_block(EVENT, 4) == 4
    assert room.store.grant_block(EVENT, 2) == 4
    assert room.join(buyer).number == 4


def test_an_address_takes_only_so_many_places(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, address_limit=2))
    buyer = a_buyer()
    numbers = [room.join(buyer, address="198.51.100.1").number, room.join(address="198.51.100.1").number]

    with pytest.raises(AddressLimitReached):
        room.join(address="198.51.100.1")

    assert numbers == [1, 2]
    assert room.join(address="198.51.100.2").number == 3
    assert room.join(buyer, address="198.51.100.1").number == 1


def test_an_ipv6_network_counts_as_one_address(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, address_limit=1))
    room.join(address="2001:db8:1:2::1")

    with pytest.raises(AddressLimitReached):
        room.join(address="2001:db8:1:2:ffff::2")

    assert room.join(address="2001:db8:1:3::1").number == 2


def test_before_the_opening_nobody_joins_and_is_told_when(redis_client: Redis) -> None:
    opens_at = datetime.fromtimestamp((START_MS + 90_500) / 1000, UTC)
    room = Room(redis_client, rules=replace(RULES, phase=Phase.SCHEDULED, opens_at=opens_at))

    with pytest.raises(NotOpenYet) as refused:
        room.join()

    assert refused.value.retry_after_seconds == 91


def test_the_queue_opens_by_itself_at_its_time(redis_client: Redis) -> None:
    opens_at = datetime.fromtimestamp((START_MS + MINUTE_MS) / 1000, UTC)
    room = Room(redis_client, rules=replace(RULES, phase=Phase.SCHEDULED, opens_at=opens_at))

    room.later(MINUTE_MS)

    assert room.join().number == 1
    room.advance()
    assert room.state().rules.phase is Phase.OPEN


@pytest.mark.parametrize("phase", [Phase.PRE_QUEUE, Phase.PAUSED])
def test_people_join_while_nobody_is_let_in(redis_client: Redis, phase: Phase) -> None:
    opens_at = datetime.fromtimestamp((START_MS + MINUTE_MS) / 1000, UTC)
    room = Room(redis_client, rules=replace(RULES, phase=phase, opens_at=opens_at))

    assert room.crowd(2) == [1, 2]
    assert room.later(30_000).advance().admitted == 0


def test_a_closed_queue_takes_nobody_new_but_knows_its_own(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()
    room.join(buyer)
    room.configure(phase=Phase.CLOSED)

    with pytest.raises(QueueClosed):
        room.join()

    assert room.join(buyer).number == 1


def test_each_join_is_journaled_once_until_it_is_acknowledged(redis_client: Redis) -> None:
    room, buyers = Room(redis_client), [a_buyer() for _ in range(5)]
    for buyer in [*buyers, *buyers]:
        room.join(buyer)

    lines = room.store.joins_to_write(EVENT)
    room.store.joins_written(EVENT, lines[2])

    assert [(line.number, line.buyer, line.joined_at_ms) for line in lines] == [
        (number, buyer.bytes, START_MS) for number, buyer in enumerate(buyers, start=1)
    ]
    assert [line.number for line in room.store.joins_to_write(EVENT)] == [4, 5]
    assert [line.number for line in room.store.joins_to_write(EVENT, limit=1)] == [4]
