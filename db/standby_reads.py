"""Reading what everybody asks for from a standby, as far as it has got; from the primary what it does not show yet.

Nothing is decided by what is read here, and nobody's own bookings are: whoever has written reads from the primary.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine, text

from onsale.db.engine import reading
from onsale.errors import RecordUnavailable

T = TypeVar("T")

# A standby that did not answer is left alone for so long.
AWAY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Reads:
    """The primary, and a standby beside it if there is one. Thread safe: a race costs one more try of a standby."""

    def __init__(
        self, primary: Engine, standby: Engine | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._clock = clock
        self._rests_until = 0.0

    def read(self, ask: Callable[[Connection], T], *, position: int | None) -> T:
        """What `ask` finds where everything up to this place in the log is to be seen; None: where all is.

        `ask` may be called twice. RecordUnavailable when the primary was needed and did not answer.
        """
        if self._standby is not None and position is not None and self._clock() >= self._rests_until:
            try:
                with reading(self._standby) as connection:
                    if connection.scalar(_SHOWS, {"position": position}):
                        return ask(connection)
            # Away, or it broke off because the replay could not wait for us.
            except RecordUnavailable as error:
                log.warning("standby_away", reason=type(error.__cause__).__name__)
                self._rests_until = self._clock() + AWAY_SECONDS
        with reading(self._primary) as connection:
            return ask(connection)

    def close(self) -> None:
        """Let go of the standby's connections; the primary's are somebody else's."""
        if self._standby is not None:
            self._standby.dispose()


# After a failover the address may lead to the primary. One that was cut off and goes on alone has got no further.
_SHOWS = text("""
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
           - '0/0'::pg_lsn >= :position""")
