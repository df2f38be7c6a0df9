"""Runs Redis commands and scripts over connections kept for them: redis-py's own, without its way there.

A pool that looks whether each connection is still alive, hooks for retries and for metrics: on a small answer those
cost more than the call (docs/performance.md). Whoever asks here must be able to ask again in the usual way.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import NoScriptError, ResponseError


class KeptConnections:
    """As many connections as calls were ever made at once; each comes from the pool, and goes back when it breaks."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        # Last in, first out: what is not needed is not used. A list's pop and append are atomic. Any: redis-py's
        # connections have no types.
        self._idle: list[Any] = []
        weakref.finalize(self, _give_back, pool, self._idle).atexit = False

    def call(self, *words: str | bytes | int) -> Any:
        """The answer to a command, sent once. Raises RedisError; the server may have run the command even so."""
        connection = self._connection()
        try:
            connection.send_packed_command(connection.pack_command(*words), check_health=False)
            answer = connection.read_response()
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            # An answer that was not read would be taken for the next command's.
            connection.disconnect()
            self._pool.release(connection)
            raise
        self._idle.append(connection)
        return answer

    def _connection(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.get_connection()


class KeptScript:
    """A Lua script of a client, registered so that a failover reloads it; safe to call from many threads.

    It may run twice: after a lost connection it is asked once more.
    """

    def __init__(self, client: Redis, source: str, kept: KeptConnections) -> None:
        self._script, self._kept = client.register_script(source), kept

    def __call__(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """What the script answers. Raises RedisError; a timeout is not tried again, whoever asked has waited enough."""
        try:
            return self._kept.call("EVALSHA", self._script.sha, len(keys), *keys, *arguments)
        except (NoScriptError, ConnectionFailed):
            # A restarted or promoted server: redis-py connects anew and loads the script.
            return self._script(keys, arguments)


def _give_back(pool: ConnectionPool, idle: list[Any]) -> None:
    for connection in idle:
        pool.release(connection)
