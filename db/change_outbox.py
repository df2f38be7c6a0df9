"""The outbox of changes: what the change stream tells, for a server without logical decoding.

Triggers on the tables of the publication write down what a statement changed; one reader at a time takes what it has
not seen. Installed by `onsale changes setup` where there is no slot to be had, and nowhere else.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, text

from onsale.db import change_stream
from onsale.db.change_stream import TABLES
from onsale.db.engine import reading as asking
from onsale.db.engine import transaction
from onsale.db.pgoutput import Change, Commit, Kind
from onsale.errors import ChangesLost, ChangesNotSetUp, RecordUnavailable, SomebodyElseReads

# For each table the column by which its events are found: that alone is written down.
KEYS = {name: "event_id" if name in ("event_artists", "sections") else "id" for name in TABLES}
# A hundred bytes each. Beyond it triggers write nothing more, and everything is made anew.
ROWS_MAX = 1_000_000
# At a tenth of it somebody is told.
ALARM_SHARE = 10
# What changed at once and is told one by one; of more only that it was too much.
KEYS_MAX = 100_000
REMOVED_MAX = 10_000
# How often whoever waits looks.
POLL_SECONDS = 0.05
# A reader that died is followed by the next one so much later.
LEASE_SECONDS = 5.0
RENEW_SECONDS = 1.0
# To have all the tables to itself, half a second each.
LOCK_TRIES_MAX = 40
# Between what was told and what was done with it; of more the oldest is confirmed together with later ones.
UNCONFIRMED_MAX = 1_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxState:
    """The outbox as it is: how many rows wait at most, how many it takes, and whether somebody reads."""

    rows: int
    rows_max: int
    followed: bool

    @property
    def is_full(self) -> bool:
        """Whether changes are not written down any more."""
        return self.rows >= self.rows_max

    @property
    def grows(self) -> bool:
        """Whether more waits than a reader at work would let wait."""
        return self.rows * ALARM_SHARE >= self.rows_max


@dataclass(frozen=True, slots=True)
class _Place:
    """Everything that this snapshot sees was told by this place in the log."""

    lsn: int
    snapshot: str


def set_up(engine: Engine) -> bool:
    """Install the triggers and the position where they are missing; whether anything was.

    Waits for whoever is writing to the tables at this moment, and keeps others waiting for as long: every change that
    no trigger has seen is visible to the first position. RecordUnavailable when somebody writes for too long.
    """
    with asking(engine) as connection:
        if state(connection) is not None and _is_complete(connection):
            return False
    _alone(engine, "SHARE ROW EXCLUSIVE", _install)
    return True


def _install(connection: Connection) -> None:
    for name, key in KEYS.items():
        for statement in _triggers(name, key):
            connection.execute(text(statement))
    connection.execute(_BEGIN, {"mark": secrets.token_hex(8), "rows_max": ROWS_MAX})
    connection.execute(_NOTE_ORIGIN, {"origin": origin(connection)})


def tear_down(engine: Engine) -> None:
    """Remove the triggers, the position and what was not read; whoever reads stops at once.

    RecordUnavailable when somebody writes for too long.
    """
    _alone(engine, "ACCESS EXCLUSIVE", _remove_all)


def _remove_all(connection: Connection) -> None:
    for name in KEYS:
        for trigger in _TRIGGERS:
            connection.execute(text(f"DROP TRIGGER IF EXISTS onsale_outbox_{trigger} ON {name}"))
    connection.execute(text("TRUNCATE change_outbox"))
    connection.execute(text("DELETE FROM change_outbox_position"))


def state(connection: Connection) -> OutboxState | None:
    """How the outbox stands; None where it is not in use."""
    row = connection.execute(_STATE).one_or_none()
    return None if row is None else OutboxState(row.rows, row.rows_max, row.followed)


def origin(connection: Connection) -> str:
    """Which log the positions are of, as for a slot; a table that was restored has another number, a record too."""
    return str(connection.scalar(_ORIGIN))


def followed_up_to(connection: Connection) -> int:
    """All changes up to this LSN were followed and are visible."""
    return int(connection.scalar(text("SELECT lsn FROM change_outbox_position")) or 0)


@contextmanager
def reading(engine: Engine) -> Iterator[Outbox]:
    """The outbox, from what was last confirmed on, and anew where that says nothing.

    SomebodyElseReads while another process has the lease; ChangesNotSetUp where the outbox is not in use;
    RecordUnavailable when the server is away.
    """
    me = secrets.token_hex(8)
    with _noting(engine) as connection:
        taken = connection.execute(_TAKE, {"me": me, "seconds": LEASE_SECONDS}).one_or_none()
        if taken is None:
            if state(connection) is None:
                raise ChangesNotSetUp("there is no outbox; run: onsale changes setup")
            raise SomebodyElseReads
        now = origin(connection)
    outbox = Outbox(engine, me, taken.snapshot)
    try:
        if taken.origin != now or taken.is_full:
            outbox.begin_anew(why="it is full" if taken.is_full else "it is another server's, or of another time")
        yield outbox
    finally:
        outbox.close()


class Outbox:
    """Changes as they become visible. Not thread safe.

    Neither ids nor transactions' ids come in the order of commits: row 2 may be there, and row 1 only later. "All up to
    row 2" would lose it. What was read is therefore remembered as a snapshot, PostgreSQL's own word for a set of
    transactions, and new is what this one sees and the one before did not: each change once, whatever order they commit
    in. (To read only below the oldest transaction at work would be right too, but one long import would hold up all.)
    """

    def __init__(self, engine: Engine, me: str, seen: str) -> None:
        self._engine = engine
        self._me = me
        self._seen = seen
        self._position = 0
        self._unconfirmed: deque[_Place] = deque(maxlen=UNCONFIRMED_MAX)
        self._confirmed: _Place | None = None
        self._more_to_remove = False
        self._looked_at = 0.0
        self._renewed_at = time.monotonic()

    def close(self) -> None:
        """Let another process read."""
        try:
            with _noting(self._engine) as connection:
                connection.execute(_LET_GO, {"me": self._me})
        except RecordUnavailable:
            # The lease ends by itself.
            return

    @property
    def position(self) -> int:
        """All that was committed before this LSN has been read."""
        return self._position

    def read(self, *, wait_seconds: float, up_to: int | None = None) -> list[Change | Commit]:
        """What came next, waiting for at most `wait_seconds`; with `up_to`, a place the log has reached, not at all.

        Nothing when nothing came. ChangesLost, SomebodyElseReads, RecordUnavailable.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            if up_to is None:
                rest = min(self._looked_at + POLL_SECONDS, deadline) - time.monotonic()
                time.sleep(max(0.0, rest))
            if told := self._look():
                return told
            # One look sees whatever was committed before it.
            if up_to is not None or time.monotonic() >= deadline:
                return []

    def confirm(self, lsn: int) -> None:
        """Everything up to here is done and need not be told again.

        ChangesLost, SomebodyElseReads, RecordUnavailable.
        """
        done: _Place | None = None
        while self._unconfirmed and self._unconfirmed[0].lsn <= lsn:
            done = self._unconfirmed.popleft()
        if done is not None:
            self._confirmed = done
            self._remove(done)

    def begin_anew(self, *, why: str) -> None:
        """Nobody knows what has changed until now: forget it, under another origin, so that copies are made anew."""
        with transaction(self._engine) as connection:
            connection.execute(_PATIENCE)
            # Waits for every transaction that found the outbox full and wrote nothing: the snapshot sees its changes.
            connection.execute(text("TRUNCATE change_outbox"))
            begun = connection.execute(_BEGIN_ANEW, {"me": self._me, "mark": secrets.token_hex(8)}).one_or_none()
            if begun is None:
                raise SomebodyElseReads
            connection.execute(_NOTE_ORIGIN, {"origin": origin(connection)})
        self._seen = begun.snapshot
        log.warning("outbox_begun_anew", why=why)

    def _look(self) -> list[Change | Commit]:
        self._renew()
        if self._more_to_remove and self._confirmed is not None:
            self._remove(self._confirmed)
        self._looked_at = time.monotonic()
        with asking(self._engine) as connection:
            rows = connection.execute(_LOOK, {"seen": self._seen, "limit": KEYS_MAX + 1}).all()
            self._check(rows)
            if rows[0].table_name is None:
                self._seen, self._position = rows[0].snapshot, rows[0].lsn
                return []
            # After the look, and past every place that was vouched for before it: what was read before these
            # changes were visible has a lower one, even if the log has not grown since they were written.
            place = _Place(change_stream.next_place(connection), rows[0].snapshot)
        self._unconfirmed.append(place)
        self._seen, self._position = place.snapshot, place.lsn
        return [*_changes(rows), Commit(place.lsn, place.lsn, None)]

    def _check(self, rows: Sequence[Row[Any]]) -> None:
        """A look without any row of ours says that somebody else took over, or that the outbox was removed."""
        if not rows:
            raise SomebodyElseReads
        if rows[0].reader != self._me:
            raise SomebodyElseReads
        if rows[0].is_full:
            # What was not written down since must not be vouched for.
            raise ChangesLost

    def _renew(self) -> None:
        if time.monotonic() - self._renewed_at < RENEW_SECONDS:
            return
        self._renewed_at = time.monotonic()
        with _noting(self._engine) as connection:
            if not connection.execute(_RENEW, {"me": self._me, "seconds": LEASE_SECONDS}).rowcount:
                raise SomebodyElseReads

    def _remove(self, done: _Place) -> None:
        """Note how far it is, and remove what was told, a bounded number of rows at a time."""
        with _noting(self._engine) as connection:
            # First: whoever finds the outbox full and writes nothing holds this row until then.
            noted = connection.execute(_NOTE, {"me": self._me, "lsn": done.lsn, "snapshot": done.snapshot})
            if not noted.rowcount:
                raise SomebodyElseReads
            if connection.scalar(text("SELECT change_outbox_is_full()")):
                raise ChangesLost
            removed = connection.execute(_REMOVE, {"snapshot": done.snapshot, "limit": REMOVED_MAX}).rowcount
        self._more_to_remove = removed == REMOVED_MAX


def _alone(engine: Engine, mode: str, do: Callable[[Connection], None]) -> None:
    """Do it with all the tables locked in this mode. Tried again and again: writers come and go."""
    for tries_left in reversed(range(LOCK_TRIES_MAX)):
        try:
            with transaction(engine) as connection:
                connection.execute(_IMPATIENCE)
                connection.execute(text(f"LOCK TABLE {', '.join((*TABLES, 'change_outbox'))} IN {mode} MODE"))
                do(connection)
            return
        except RecordUnavailable:
            if not tries_left:
                raise


@contextmanager
def _noting(engine: Engine) -> Iterator[Connection]:
    """A transaction of the reader's own, that waits for no standby: what is lost with the primary is only repeated."""
    with transaction(engine) as connection:
        connection.execute(_PATIENCE)
        connection.execute(text("SET LOCAL synchronous_commit = local"))
        yield connection


def _changes(rows: Sequence[Row[Any]]) -> list[Change | Commit]:
    """Which rows are to be read anew. What became of each is not written down; nobody asks."""
    if len(rows) > KEYS_MAX or any(row.key is None for row in rows):
        return [Change(rows[0].table_name, Kind.TRUNCATE, {})]
    return [Change(row.table_name, Kind.UPDATE, {KEYS[row.table_name]: str(row.key)}) for row in rows]


def _is_complete(connection: Connection) -> bool:
    """Whether every trigger is there and at work; an older release has fewer tables."""
    found: int = connection.scalar(_COUNT_TRIGGERS, {"tables": list(TABLES)}) or 0
    return found == len(TABLES) * len(_TRIGGERS)


_TRIGGERS = {
    "insert": "REFERENCING NEW TABLE AS fresh",
    "update": "REFERENCING OLD TABLE AS stale NEW TABLE AS fresh",
    "delete": "REFERENCING OLD TABLE AS stale",
    "truncate": "",
}


def _triggers(table: str, key: str) -> Iterator[str]:
    """Names of our own: a trigger takes no parameters."""
    for trigger, rows in _TRIGGERS.items():
        yield f"DROP TRIGGER IF EXISTS onsale_outbox_{trigger} ON {table}"
        yield (
            f"CREATE TRIGGER onsale_outbox_{trigger} AFTER {trigger.upper()} ON {table} {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION change_is_put_in_outbox('{key}')"
        )


# Whoever waits longer for a table keeps everybody behind it waiting.
_PATIENCE = text("SELECT set_config('lock_timeout', '3s', true)")
# Shorter than a second, after which PostgreSQL looks for deadlocks: who has one table and waits for another is not the
# one to be ended, when that is somebody who sells tickets.
_IMPATIENCE = text("SELECT set_config('lock_timeout', '500ms', true)")
# Of an earlier one nothing is known any more: triggers were missing.
_BEGIN = text("""
    INSERT INTO change_outbox_position (mark, origin, snapshot, lsn, rows_max)
    VALUES (:mark, '', pg_current_snapshot(), pg_current_wal_insert_lsn() - '0/0'::pg_lsn, :rows_max)
        ON CONFLICT (one_row) DO UPDATE
       SET mark = excluded.mark, snapshot = excluded.snapshot, lsn = excluded.lsn,
           reader = NULL, reader_until = NULL""")
_BEGIN_ANEW = text("""
    UPDATE change_outbox_position
       SET mark = :mark, snapshot = pg_current_snapshot(), lsn = pg_current_wal_insert_lsn() - '0/0'::pg_lsn
     WHERE reader = :me RETURNING snapshot::text""")
_ORIGIN = text("""
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                     left(pg_walfile_name(pg_current_wal_lsn()), 8),
                     concat_ws('.', 'outbox ' || mark,
                               (SELECT oid FROM pg_database WHERE datname = current_database()),
                               'change_outbox'::regclass::oid))
      FROM change_outbox_position""")
_NOTE_ORIGIN = text("UPDATE change_outbox_position SET origin = :origin")
_TAKE = text("""
    UPDATE change_outbox_position
       SET reader = :me, reader_until = clock_timestamp() + :seconds * interval '1 second'
     WHERE reader IS NULL OR reader_until < clock_timestamp()
 RETURNING snapshot::text, origin, change_outbox_is_full() AS is_full""")
# Also one that has run out, as long as nobody else took it.
_RENEW = text("""
    UPDATE change_outbox_position SET reader_until = clock_timestamp() + :seconds * interval '1 second'
     WHERE reader = :me""")
_LET_GO = text("UPDATE change_outbox_position SET reader = NULL, reader_until = NULL WHERE reader = :me")
# One statement, one snapshot: the end of the log is looked at after it was taken.
_LOOK = text("""
    SELECT position.reader, pg_current_snapshot()::text AS snapshot, change_outbox_is_full() AS is_full,
           (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS lsn, changed.table_name, changed.key
      FROM change_outbox_position AS position
      LEFT JOIN LATERAL (
           SELECT DISTINCT table_name, key FROM change_outbox
            WHERE xid >= pg_snapshot_xmin(CAST(:seen AS pg_snapshot))
              AND NOT pg_visible_in_snapshot(xid, CAST(:seen AS pg_snapshot))
            LIMIT :limit) AS changed ON true""")
_NOTE = text("UPDATE change_outbox_position SET lsn = :lsn, snapshot = :snapshot WHERE reader = :me")
_REMOVE = text("""
    DELETE FROM change_outbox
     WHERE id IN (SELECT id FROM change_outbox
                   WHERE pg_visible_in_snapshot(xid, CAST(:snapshot AS pg_snapshot)) ORDER BY id LIMIT :limit)""")
_STATE = text("""
    SELECT coalesce((SELECT max(id) FROM change_outbox) - (SELECT min(id) FROM change_outbox) + 1, 0) AS rows,
           rows_max, coalesce(reader_until > clock_timestamp(), false) AS followed
      FROM change_outbox_position""")
_COUNT_TRIGGERS = text("""
    SELECT count(*) FROM pg_trigger
     WHERE tgname LIKE 'onsale\\_outbox\\_%' AND tgenabled IN ('O', 'A') AND tgrelid::regclass::text = ANY (:tables)""")
