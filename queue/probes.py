"""A sign of life from a worker: `onsale doctor` sends a task to each queue, and sees here whether it was worked off.

Celery's remote control is off, and would be answered by a worker whose threads all hang. Sweeps leave a sign by
themselves: a worker may live while the beat that sends them is gone.
"""

from __future__ import annotations

from redis import Redis
from redis.exceptions import RedisError

from onsale.queue.outage import Outage

# Nobody looks longer than that.
KEPT_SECONDS = 60
# A sweep has better things to do than to wait for the cache.
ANSWER_SECONDS = 0.25
_SWEPT = "probe:swept"


class Probes:
    """The signs of life, on the cache's Redis. Raise RedisError when it does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._outage = Outage("cache")

    def answer(self, probe: str, *, worker: str) -> None:
        """The worker of this name took the probe."""
        self._client.set(_key(probe), worker.encode(), ex=KEPT_SECONDS)

    def answered(self, probes: list[str]) -> dict[str, str]:
        """Those of the probes that were taken, and by which worker."""
        found = self._client.mget([_key(probe) for probe in probes])
        return {
            probe: worker.decode() for probe, worker in zip(probes, found, strict=True) if isinstance(worker, bytes)
        }

    def sweep_came(self, *, worker: str) -> None:
        """The beat has sent a sweep, and this worker took it. Raises nothing."""
        if not self._outage.may_ask():
            return
        try:
            self._client.set(_SWEPT, worker.encode(), ex=KEPT_SECONDS)
        except RedisError as error:
            self._outage.failed(error)
        else:
            self._outage.worked()

    def seconds_since_sweep(self) -> float | None:
        """How long ago the last sweep came; None when none did within a minute."""
        left_ms = int(self._client.pttl(_SWEPT))
        return KEPT_SECONDS - left_ms / 1_000 if left_ms >= 0 else None


def _key(probe: str) -> str:
    return f"probe:{{{probe}}}"
