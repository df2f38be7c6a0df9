"""Commits that wait for a synchronous standby: for how long, and what one is worth that was not confirmed.

PostgreSQL has no time limit for that wait: statement_timeout does not count there. Cut off, the commit stands on the
primary, everybody can read it, and it succeeds with a warning. But it is lost with the primary, so it is no
acknowledgement.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import psycopg2
import structlog
from sqlalchemy import Connection

from onsale.errors import RecordUnavailable

# A standby that starts again is back by then. Longer, and the threads of a process would all stand here.
CONFIRM_SECONDS_MAX = 3.0
LOOK_SECONDS = 0.25

log = structlog.get_logger(__name__)


class Driver(Protocol):
    """What of a psycopg2 connection is used here."""

    notices: list[str]

    def cancel(self) -> None:
        """Ask the server, over another connection, to stop what this one does."""


@contextmanager
def confirmed(connection: Connection) -> Iterator[None]:
    """Put it around a commit: RecordUnavailable when a synchronous standby did not confirm it in time."""
    driver: Driver = connection.connection.driver_connection  # type: ignore[assignment]  # psycopg2's
    # What was said before was not about the commit.
    driver.notices.clear()
    with _waiting.no_longer_than(CONFIRM_SECONDS_MAX, driver):
        yield
    # In the server's language, so any word counts; `make_engine` lets it say warnings only.
    if driver.notices:
        log.warning("commit_not_confirmed", said=driver.notices[-1].strip())
        raise RecordUnavailable("The standby does not confirm. Try again in a moment.")


class _Waiting:
    """The commits of this process that wait for their answer, and a thread that cuts off those that wait too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[int, tuple[float, Driver]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def no_longer_than(self, seconds: float, driver: Driver) -> Iterator[None]:
        with self._lock:
            self._until[id(driver)] = (time.monotonic() + seconds, driver)
            # A forked child has the lock and the list, but not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="commits", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            # Not while it is being cut off: what comes next on this connection must not be hit.
            with self._lock:
                self._until.pop(id(driver), None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            with self._lock:
                late = [(key, driver) for key, (until, driver) in self._until.items() if now > until]
                for key, driver in late:
                    del self._until[key]
                    with suppress(psycopg2.Error):
                        driver.cancel()


_waiting = _Waiting()
