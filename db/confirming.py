"""Commits that wait for a synchronous standby: for how long, and what one is worth that was not confirmed.

PostgreSQL has no time limit for that wait: statement_timeout does not count there. Cut off, the commit stands on the
primary, everybody can read it, and it succeeds with a warning. But it is lost with the primary, so it is no
acknowledgement.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg2
import structlog
from psycopg2.extensions import make_dsn
from sqlalchemy import Connection

from onsale.errors import RecordUnavailable

# A standby that starts again is back by then. Longer, and the threads of a process would all stand here.
CONFIRM_SECONDS_MAX = 3.0
LOOK_SECONDS = 0.25
# For each connection that cuts off; a server that has vanished answers none.
CONNECT_SECONDS_MAX = 2
# Only what waits for a standby, and only this kind of process's own: no other statement can be hit.
_CUT_OFF = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE usename = current_user AND application_name = current_setting('application_name') AND wait_event = 'SyncRep'
      AND query_start < clock_timestamp() - make_interval(secs => %s)
"""

log = structlog.get_logger(__name__)


@contextmanager
def confirmed(connection: Connection) -> Iterator[None]:
    """Put it around a commit: RecordUnavailable when a synchronous standby did not confirm it in time."""
    driver: psycopg2.extensions.connection = connection.connection.driver_connection  # type: ignore[assignment]
    # Asked once for each connection of the pool.
    kept = connection.info
    if "address" not in kept:
        kept["address"] = _address_of(driver)
    # What was said before was not about the commit.
    driver.notices.clear()
    with _waiting.not_for_ever(kept["address"]):
        yield
    # In the server's language, so any word counts; `make_engine` lets it say warnings only.
    if driver.notices:
        log.warning("commit_not_confirmed", said=driver.notices[-1].strip())
        raise RecordUnavailable("The standby does not confirm. Try again in a moment.")


class _Waiting:
    """The commits of this process that wait for their answer, and a thread that cuts off those that wait too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits: dict[object, tuple[float, str]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def not_for_ever(self, address: str) -> Iterator[None]:
        commit = object()
        with self._lock:
            self._commits[commit] = (time.monotonic() + CONFIRM_SECONDS_MAX, address)
            # A forked child has the lock and the commits, but not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="commits", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._commits[commit]

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            with self._lock:
                late = {address for until, address in self._commits.values() if now > until}
            # Without the lock: a server that has vanished answers this neither, and new commits go to another one.
            for address in late:
                with suppress(psycopg2.Error):
                    _cut_off(address)


def _cut_off(address: str) -> None:
    """Let the server end the waits that are too long.

    Not by psycopg2's `cancel()`: that keeps the interpreter to itself until the server answers, and all threads stand.
    """
    with closing(psycopg2.connect(address)) as other, other.cursor() as cursor:
        cursor.execute(_CUT_OFF, (CONFIRM_SECONDS_MAX,))


def _address_of(driver: psycopg2.extensions.connection) -> str:
    """Of the one server of perhaps several that this connection leads to, whatever role it has by now."""
    info = driver.info
    here = {"host": info.host, "port": info.port, "password": info.password, "connect_timeout": CONNECT_SECONDS_MAX}
    known = {name: value for name, value in info.dsn_parameters.items() if name != "hostaddr"}
    return make_dsn(None, **{**known, **here, "target_session_attrs": "any"})


_waiting = _Waiting()
