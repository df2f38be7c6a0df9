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

    def number(self) -> int:
        """To be written on a lease; seen to be locked a second ago at most. RecordUnavailable like any statement.

        It is its connection's: after a failover there is another one, and the leases before count as forsaken.
        """
        with record.reading(self.engine) as connection:
            if "claimant" not in connection.info:
                number = secrets.randbits(NUMBER_BITS)
                connection.execute(_LOCK, {"key": locks.claimant(number)})
                connection.info["claimant"] = number
            return int(connection.info["claimant"])

    def close(self) -> None:
        """Let go of the lock: the leases left, if any, may be given to others."""
        self.engine.dispose()


_LOCK = text("SELECT pg_advisory_lock(:key)")
