"""A connection to the Redis of the queue or the cache, with limits: nobody hangs on a server that is gone."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.retry import Retry

ANSWER_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 30


def connect(url: str, *, answer_seconds: float = ANSWER_SECONDS) -> Redis:
    """A thread-safe client that connects at its first use, and answers or gives up within two seconds.

    One retry: a connection from the pool may have died since it was last used. Who has waited once for an answer that
    did not come does not wait again. `answer_seconds` is for those who can do without one.
    """
    return Redis.from_url(
        url,
        socket_timeout=answer_seconds,
        socket_connect_timeout=answer_seconds,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionFailed,)),
        health_check_interval=HEALTH_CHECK_SECONDS,
    )
