"""Asks each Celery queue for a sign of life, and sees in the broker what became of those that were not answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from onsale.config import Config
from onsale.queue.broker import Wakes
from onsale.queue.client import connect
from onsale.queue.probes import Probes

# Several, because of two workers on a queue one may be deaf.
PROBES_PER_QUEUE = 4
# A lane works for a second at most; the sweeps' one thread may have several sweeps in front.
PROBE_SECONDS_MAX = 8.0
LOOK_SECONDS = 0.02
# The end of a queue that is searched for our probes: they are the newest.
SEARCHED_MAX = 1_000
# A worker that has a thread to spare asks the broker for work every second.
SILENT_SECONDS = 4
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What became of the probes of one queue: by whom each was answered, how many still lie in the broker."""

    sent: int
    answered: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    # None where the broker cannot be looked into.
    waiting: int | None = None
    # Other people's messages, before and after.
    before: int = 0
    after: int = 0
    # Connections of workers that have not asked the broker for work lately; of any queue.
    silent: tuple[str, ...] = ()


def ask(config: Config, queues: Sequence[str], *, seconds_max: float = PROBE_SECONDS_MAX) -> dict[str, Asked]:
    """Send each queue its probes and wait for the signs of life. Raises RedisError when the cache is away."""
    with ExitStack() as stack:
        cache, flags = connect(config.cache_url), connect(config.queue_url)
        wakes = Wakes(config.broker_url, flags)
        for each in (cache, flags, wakes):
            stack.callback(each.close)
        cache.ping()
        looker = _looker(config.broker_url, stack)
        before = {queue: _length(looker, queue) for queue in queues}
        sent = {queue: [f"{queue}-{uuid4().hex}" for _ in range(PROBES_PER_QUEUE)] for queue in queues}
        sent = {queue: [one for one in probes if wakes.probe(queue, one)] for queue, probes in sent.items()}
        answered, took = _wait(Probes(cache), sent, seconds_max=seconds_max)
        return {
            queue: _asked(looker, queue, sent[queue], answered, seconds=took[queue], before=before[queue])
            for queue in queues
        }


def _wait(
    probes: Probes, sent: Mapping[str, list[str]], *, seconds_max: float
) -> tuple[dict[str, str], dict[str, float]]:
    """Who answered what, and after how long each queue's last answer came."""
    everything = [one for each in sent.values() for one in each]
    began = time.monotonic()
    took = dict.fromkeys(sent, 0.0)
    answered: dict[str, str] = {}
    while len(answered) < len(everything) and time.monotonic() - began < seconds_max:
        time.sleep(LOOK_SECONDS)
        fresh = probes.answered(everything)
        for queue, ours in sent.items():
            if any(one in fresh and one not in answered for one in ours):
                took[queue] = time.monotonic() - began
        answered = fresh
    return answered, took


def _asked(
    looker: Redis | None,
    queue: str,
    ours: Sequence[str],
    answered: Mapping[str, str],
    *,
    seconds: float,
    before: int,
) -> Asked:
    mine = {one: answered[one] for one in ours if one in answered}
    waiting = _waiting(looker, queue, ours)
    after = max(0, _length(looker, queue) - (waiting or 0))
    silent = _looked(looker, _silent) or ()
    return Asked(len(ours), mine, seconds=seconds, waiting=waiting, before=before, after=after, silent=silent)


def _looker(broker_url: str, stack: ExitStack) -> Redis | None:
    """Somebody who can look into the broker's lists; None where it has none."""
    if not broker_url.startswith(("redis", "unix")):
        return None
    client = connect(broker_url)
    stack.callback(client.close)
    return client


def _length(looker: Redis | None, queue: str) -> int:
    return _looked(looker, lambda client: int(client.llen(queue))) or 0


def _waiting(looker: Redis | None, queue: str, ours: Sequence[str]) -> int | None:
    """How many of our probes still lie in the queue; a message names its arguments in its header."""

    def count(client: Redis) -> int:
        messages = client.lrange(queue, 0, SEARCHED_MAX - 1)
        return sum(any(one.encode() in message for one in ours) for message in messages)

    return _looked(looker, count)


def _silent(client: Redis) -> tuple[str, ...]:
    """The connections that last asked for work some time ago, and are not waiting for it."""
    return tuple(
        one["addr"]
        for one in client.client_list()
        if one["cmd"] == "brpop" and int(one["idle"]) >= SILENT_SECONDS and "b" not in one["flags"]
    )


def _looked(looker: Redis | None, look: Callable[[Redis], T]) -> T | None:
    if looker is not None:
        with suppress(RedisError):
            return look(looker)
    return None
