"""Calls over kept connections: what breaks is not used again, and nobody is told another's answer."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import NoScriptError, ResponseError, TimeoutError

from onsale.queue.kept_connections import KeptConnections
from tests.services.waiting_room import Room, a_buyer


@contextmanager
def a_pool(client: Redis, **other: Any) -> Iterator[ConnectionPool]:
    """One of our own on the same server, closed at the end: its garbage would be taken for another test's."""
    pool = ConnectionPool(**client.connection_pool.connection_kwargs | other)
    yield pool
    pool.disconnect()


def test_an_answer_that_came_too_late_is_not_taken_for_the_next_ones(redis_client: Redis) -> None:
    with a_pool(redis_client, socket_timeout=0.1) as impatient:
        kept = KeptConnections(impatient)

        with pytest.raises(TimeoutError):
            kept.call("BLPOP", "nobody-pushes", 1)

        assert kept.call("ECHO", "mine") == b"mine"


def test_an_error_the_server_answers_leaves_the_connection_in_use(redis_client: Redis) -> None:
    kept = KeptConnections(redis_client.connection_pool)
    me = kept.call("CLIENT", "ID")

    with pytest.raises(ResponseError):
        kept.call("NO-SUCH-COMMAND")
    with pytest.raises(NoScriptError):
        kept.call("EVALSHA", "0" * 40, 0)

    assert kept.call("CLIENT", "ID") == me


def test_a_connection_the_server_closed_fails_once_and_is_replaced(redis_client: Redis) -> None:
    kept = KeptConnections(redis_client.connection_pool)
    redis_client.client_kill_filter(_id=str(kept.call("CLIENT", "ID")))

    with pytest.raises(ConnectionFailed):
        kept.call("PING")

    assert kept.call("PING") == b"PONG"


def test_a_join_does_not_notice_a_closed_connection_or_a_forgotten_script(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.join(a_buyer())

    redis_client.client_kill_filter(_type="normal", skipme=True)
    second = room.join(a_buyer())
    redis_client.script_flush()
    third = room.join(a_buyer())

    assert (second.number, third.number) == (2, 3)


def test_connections_go_back_to_the_pool_with_their_keeper(redis_client: Redis) -> None:
    with a_pool(redis_client, max_connections=1) as pool:
        for _ in range(3):
            assert KeptConnections(pool).call("PING") == b"PONG"
            gc.collect()
