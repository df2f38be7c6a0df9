"""A process that takes leases, by a number PostgreSQL knows to be alive for as long as the process is.

The number is locked on a connection of the process's own. Killed, its connection closes and the lock is gone at once,
so whoever comes next sees whose leases nobody will give back (`charges.forsaken`). A process that stands still, or a
machine that vanished, keeps the lock for a while: then a lease runs out, as it would without this.
"""

from __future__ import annotations

import secrets

from sqlalchemy import text

from onsale.db import engine as record
from onsale.db import locks

NUMBER_BITS = 31


class Claimant:
    """One for each process; connects at the first lease. Thread safe."""

    def __init__(self, url: str) -> None:
        self.engine = record.make_engine(url, application_name="onsale-claimant", pool_size=1, max_overflow=0)
        self._number = secrets.randbits(NUMBER_BITS)

    def number(self) -> int:
        """To be written on a lease; seen to be locked a second ago at most. RecordUnavailable like any statement."""
        with record.reading(self.engine) as connection:
            # Of this connection alone: a new one, after a failover, begins without.
            if "claimant" not in connection.info:
                connection.execute(_LOCK, {"key": locks.claimant(self._number)})
                connection.info["claimant"] = self._number
        return self._number

    def close(self) -> None:
        """Let go of the lock: the leases left, if any, may be given to others."""
        self.engine.dispose()


# Shared: the server may not have noticed yet that the connection before is gone, and the lock is our own.
_LOCK = text("SELECT pg_advisory_lock_shared(:key)")
