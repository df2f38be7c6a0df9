"""Each guard of the queue, switched off: the very assertion that it makes true must then fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from onsale.errors import QueueRecovering
from onsale.queue import lua
from onsale.queue.presence import GRACE_MS
from onsale.queue.store import QueueStore
from tests.services.waiting_room import EVENT, RULES, Room, a_buyer, without_guard


def given_twice(room: Room) -> bool:
    """Whether a server that came back from the past gives a number out a second time."""
    room.crowd(3)
    # As a restart leaves it with an append-only file that is a second old: number 3 was given, and is not in it.
    room.client.hset(room.keys.queue, mapping={"run_id": "0" * 40, "issued": 2})
    return room.join().number == 3


def test_the_run_id_keeps_a_number_from_being_given_twice(redis_client: Redis) -> None:
    with pytest.raises(QueueRecovering):
        given_twice(Room(redis_client))


def test_without_the_run_id_a_number_is_given_twice(redis_client: Redis) -> None:
    assert given_twice(Room(redis_client, sources=without_guard("join", "run id")))


def entered_twice(room: Room) -> bool:
    """Whether a server that came back from the past lets in again who has been passed over."""
    room.crowd(5)
    room.later(500).advance()
    room.client.hset(room.keys.queue, "run_id", "0" * 40)
    return room.enter(1) == "1"


def test_the_run_id_keeps_an_old_copy_from_letting_in(redis_client: Redis) -> None:
    with pytest.raises(QueueRecovering):
        entered_twice(Room(redis_client))


def test_without_the_run_id_an_old_copy_lets_in(redis_client: Redis) -> None:
    assert entered_twice(Room(redis_client, sources=without_guard("enter", "run id")))


def test_the_run_id_keeps_an_old_copy_from_advancing_and_without_it_it_advances(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(5)
    redis_client.hset(room.keys.queue, "run_id", "0" * 40)
    with pytest.raises(QueueRecovering):
        room.later(1_000).advance()

    room.store = QueueStore(redis_client, sources=without_guard("advance", "run id"))

    assert room.advance().admitted == 5


def passed_over_within_the_grace(room: Room) -> int:
    """How many are called absent right after the opening, though heartbeats cannot have arrived yet."""
    room.many(100)
    room.heard(100)
    room.client.hset(room.keys.queue, "asked_3", 100)
    return room.later(GRACE_MS - 1).advance().passed_over


def test_the_grace_keeps_the_unheard_from_being_passed_over(redis_client: Redis) -> None:
    assert passed_over_within_the_grace(Room(redis_client, rules=replace(RULES, rate_per_minute=6_000))) == 0


def test_without_the_grace_the_unheard_are_passed_over(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=6_000), sources=without_guard("advance", "grace"))

    assert passed_over_within_the_grace(room) == 99


@pytest.mark.parametrize("script", ["join", "advance", "enter", "come_back", "stay", "place"])
def test_every_script_that_gives_something_out_has_the_run_id_guard(script: str) -> None:
    assert without_guard(script, "run id")[script] != lua.load(script)


def test_a_buyer_restored_too_late_would_get_a_second_number(redis_client: Redis) -> None:
    """Why the queue stays closed until the last chunk of the journal: opened early, a known buyer is a stranger."""
    room, buyer = Room(redis_client), a_buyer()
    first = room.join(buyer).number
    redis_client.flushall()
    room.recover_from_nothing(last_reserved=1_000)
    room.store.grant_block(EVENT, 2_000)

    assert room.join(buyer).number != first
