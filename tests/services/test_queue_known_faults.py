"""The four faults of the largest open waiting room (AWS Virtual Waiting Room 1.1.15), each absent here.

There: numbers come from batches of messages, are written without a condition, tokens are counted by a counter of their
own, and the counters live in Redis alone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from redis import Connection, ConnectionPool, Redis
from redis.exceptions import TimeoutError

from onsale.db.ids import BuyerId
from onsale.errors import QueueRecovering, QueueUnavailable
from onsale.queue.recovery import Mark
from onsale.queue.store import QueueStore
from tests.services.waiting_room import EVENT, Room, a_buyer, in_parallel


def test_a_batch_that_fails_half_way_gives_no_number_to_two_people(redis_client: Redis) -> None:
    """There, one failed acknowledgement in a batch of ten gives positions 1, 2, 3, 4, 4, 5, ..."""
    room, people = Room(redis_client), [a_buyer() for _ in range(10)]

    # The client dies between asking and hearing the answer, for every third of them, and asks again.
    for index, buyer in enumerate(people):
        if index % 3 == 0:
            ask_and_hang_up(redis_client, buyer)
        room.join(buyer)

    numbers = [room.join(buyer).number for buyer in people]
    assert sorted(numbers) == list(range(1, 11))
    # The journal's batch is written, its acknowledgement is lost, and it is written again: the same pairs, nothing new.
    first, again = room.store.joins_to_write(EVENT), room.store.joins_to_write(EVENT)
    assert first == again
    assert Counter(line.number for line in first) == Counter(range(1, 11))
    assert {line.number: BuyerId(UUID(bytes=line.buyer)) for line in first} == dict(zip(numbers, people, strict=True))


class Deaf(Connection):
    """Never hears what a script answers: the server has done what it was asked."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        self.deaf = b"EVALSHA" in b"".join(command)
        super().send_packed_command(command, check_health=check_health)

    def read_response(self, *args: Any, **options: Any) -> Any:
        answer = super().read_response(*args, **options)
        if self.deaf:
            raise TimeoutError("the answer is lost")
        return answer


def ask_and_hang_up(client: Redis, buyer: BuyerId) -> None:
    """A join whose answer nobody reads."""
    pool = ConnectionPool(connection_class=Deaf, **client.connection_pool.connection_kwargs)
    with pytest.raises(QueueUnavailable):
        QueueStore(Redis(connection_pool=pool)).join(EVENT, buyer, address="")
    pool.disconnect()


def test_a_redelivered_join_never_moves_a_place(redis_client: Redis) -> None:
    """There, the message delivered a second time overwrites position 4 with position 11."""
    room, buyer = Room(redis_client), a_buyer()
    room.crowd(3)
    first = room.join(buyer)
    room.crowd(6)

    again = [room.join(buyer) for _ in range(5)]

    assert {(one.number, one.joined_at_ms) for one in again} == {(4, first.joined_at_ms)}
    assert room.join().number == 11


def test_two_simultaneous_first_entries_are_counted_once(redis_client: Redis) -> None:
    """There, two token requests at once make the token counter 2, and the room one person too small for ever."""
    room = Room(redis_client)
    room.crowd(10)
    room.later(200).advance()

    in_parallel(lambda: room.enter(1), 2, threads=2)

    state = room.state()
    assert (state.serving, state.entered, state.admitted, state.waiting) == (2, 1, 1, 8)


def test_after_a_redis_restart_the_next_to_join_is_not_number_one(redis_client: Redis) -> None:
    """There, the next person gets position 1, which is somebody's, and every status request is an error."""
    room, people = Room(redis_client, block=100), [a_buyer() for _ in range(20)]
    for buyer in people:
        room.join(buyer)
    mark = Mark(serving=0, return_serving=0, issued=20, return_issued=0, at_ms=room.now_ms)
    redis_client.flushall()

    with pytest.raises(QueueRecovering):
        room.join()
    room.recover_from(mark, people, last_reserved=100)
    room.store.grant_block(EVENT, 200)

    assert [room.join(buyer).number for buyer in people] == list(range(1, 21))
    assert room.join().number == 101
    assert room.state().issued == 101
