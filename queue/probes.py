"""A sign of life from a worker: `onsale doctor` sends a task to each queue, and sees here whether it was worked off.

Celery's remote control is off, and would be answered by a worker whose threads all hang.
"""

from __future__ import annotations

from redis import Redis

# Nobody looks longer than that.
KEPT_SECONDS = 60


class Probes:
    """The signs of life, on the cache's Redis. Raise RedisError when it does not answer."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def answer(self, probe: str, *, worker: str) -> None:
        """The worker of this name took the probe."""
        self._client.set(_key(probe), worker.encode(), ex=KEPT_SECONDS)

    def answered(self, probes: list[str]) -> dict[str, str]:
        """Those of the probes that were taken, and by which worker."""
        found = self._client.mget([_key(probe) for probe in probes])
        return {
            probe: worker.decode() for probe, worker in zip(probes, found, strict=True) if isinstance(worker, bytes)
        }


def _key(probe: str) -> str:
    return f"probe:{{{probe}}}"
