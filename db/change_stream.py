"""The record's change stream: one publication, one slot, read in commit order by whoever has the slot.

A slot has one reader at a time; the server sees to that, so it is the lease as well. What was not confirmed is sent
again after a crash.
"""

from __future__ import annotations

import math
import secrets
import select
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg2
from psycopg2.errors import ObjectInUse, ObjectNotInPrerequisiteState, UndefinedObject
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import Connection, Engine, text

from onsale.db.engine import PATIENCE
from onsale.db.pgoutput import Change, Commit, Decoder
from onsale.errors import ChangesNotSetUp, RecordUnavailable, SomebodyElseReads

PUBLICATION = "onsale_changes"
SLOT = "onsale_changes"
# What an event as it is told, and its document in the index, are made of.
TABLES = ("artists", "event_artists", "events", "organisers", "sections", "venues")
# The server wants to hear from its reader, or lets go of it after its wal_sender_timeout (a minute).
KEEP_ALIVE_SECONDS = 10
# Whoever waits for a place in the log asks so often whether the server is there; it answers at once.
ASK_SECONDS = 0.02
END_SECONDS_MAX = 5.0


class Kept(StrEnum):
    """What became of the log that the server keeps for the reader, in its own words (`wal_status`)."""

    RESERVED = "reserved"
    # Beyond max_wal_size, and kept all the same.
    EXTENDED = "extended"
    # Beyond max_slot_wal_keep_size: the next checkpoint takes it.
    UNRESERVED = "unreserved"
    # Taken: nobody will ever know what changed.
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot as it is: how much of the log is not confirmed, and how much the server would keep (None: all)."""

    kept: Kept
    followed: bool
    behind_bytes: int
    keep_bytes_max: int | None


def set_up(connection: Connection) -> bool:
    """Make the publication and the slot where they are missing, or lost; whether anything was.

    The connection must be in autocommit: a slot is not made in a transaction that has written. ChangesNotSetUp where
    the server cannot: it says what it lacks.
    """
    published, found = _publication(connection), slot(connection)
    if published is None:
        connection.execute(_CREATE_PUBLICATION)
    elif published != list(TABLES):
        # Made by an older release.
        connection.execute(_SET_TABLES)
    if found is not None and found.kept is Kept.LOST:
        connection.execute(_DROP_SLOT, {"slot": SLOT})
        found = None
    if found is None:
        if (level := connection.scalar(text("SHOW wal_level"))) != "logical":
            raise ChangesNotSetUp(f"wal_level is {level}; set it to logical and start PostgreSQL again")
        # Before the slot: whatever was followed until now ends, even if making the slot fails. It takes no parameters.
        connection.execute(text(f"COMMENT ON PUBLICATION {PUBLICATION} IS 'slot {secrets.token_hex(8)}'"))
        connection.execute(_CREATE_SLOT, {"slot": SLOT})
        return True
    return published != list(TABLES)


def tear_down(connection: Connection) -> None:
    """Remove both, so that the server keeps nothing for a reader that does not come back."""
    if slot(connection) is not None:
        connection.execute(_DROP_SLOT, {"slot": SLOT})
    connection.execute(text(f"DROP PUBLICATION IF EXISTS {PUBLICATION}"))


def end_reading(connection: Connection) -> None:
    """Send whoever has the slot away, so that it can be removed. RecordUnavailable if that one does not go."""
    deadline = time.monotonic() + END_SECONDS_MAX
    while (found := slot(connection)) is not None and found.followed:
        if time.monotonic() > deadline:
            raise RecordUnavailable(f"the slot was not let go of within {END_SECONDS_MAX:.0f} s")
        connection.execute(_END_READING, {"slot": SLOT})
        time.sleep(ASK_SECONDS)


def slot(connection: Connection) -> Slot | None:
    """How the slot stands; None without one."""
    row = connection.execute(_SLOT, {"slot": SLOT}).one_or_none()
    if row is None:
        return None
    return Slot(Kept(row.kept), row.followed, row.behind_bytes, row.keep_bytes_max if row.keep_bytes_max >= 0 else None)


def origin(connection: Connection) -> str:
    """Which log the positions are of: of what server, on what timeline, and from which slot on.

    With another one nothing says what has changed in between: every copy must be made anew.
    """
    return str(connection.scalar(_ORIGIN, {"publication": PUBLICATION}))


def followed_up_to(connection: Connection) -> int:
    """All changes up to this LSN were followed and are visible; without a slot, where the log is now."""
    found: int = connection.scalar(_FOLLOWED, {"slot": SLOT})
    return found


def end_of_log(connection: Connection) -> int:
    """Every commit that anybody was told of is before this LSN; the server sends all before it to the stream now."""
    end, sent = connection.execute(_END_OF_LOG).one()
    if sent < end:
        # What no commit waits for is not sent for seconds; a commit of our own, that waits for no standby, sends it.
        connection.execute(_SEND_THE_LOG)
    return int(end)


def next_place(connection: Connection) -> int:
    """A place in the log past every one that anybody was told of before this, and safe from a crash."""
    # A commit of our own that waits for the disk, and for no standby.
    connection.execute(_SEND_THE_LOG)
    return int(connection.execute(_END_OF_LOG).one()[1])


def are_visible(connection: Connection, xids: Collection[int]) -> bool:
    """Whether a statement that begins now sees what these transactions of the stream have changed.

    The stream tells of a commit that is in the primary's log. Others see it only when the commit returns, which with a
    synchronous standby waits for that one.
    """
    return bool(connection.scalar(_ARE_VISIBLE, {"xids": list(xids)}))


@contextmanager
def reading(engine: Engine) -> Iterator[ChangeStream]:
    """The stream, from the last confirmed change on, over a connection of its own.

    SomebodyElseReads while another process has the slot; ChangesNotSetUp without one; RecordUnavailable when the
    server is away.
    """
    _, arguments = engine.dialect.create_connect_args(engine.url)
    try:
        connection = psycopg2.connect(**{**arguments, **PATIENCE}, connection_factory=LogicalReplicationConnection)
    except psycopg2.OperationalError as error:
        raise RecordUnavailable from error
    try:
        cursor = connection.cursor()
        _start(cursor)
        yield ChangeStream(cursor)
    finally:
        connection.close()


class ChangeStream:
    """Changes in commit order. Not thread safe."""

    def __init__(self, cursor: ReplicationCursor) -> None:
        self._cursor = cursor
        self._decoder = Decoder()

    def close(self) -> None:
        """Let another process read."""
        self._cursor.connection.close()

    @property
    def position(self) -> int:
        """All that was committed before this LSN has been read."""
        return int(self._cursor.wal_end)

    def read(self, *, wait_seconds: float, up_to: int | None = None) -> list[Change | Commit]:
        """What came next, waiting for at most `wait_seconds`, or until the server says that it is past `up_to`.

        Nothing when nothing came. RecordUnavailable.
        """
        deadline = time.monotonic() + wait_seconds
        try:
            while True:
                message = self._cursor.read_message()
                # A table's description or the beginning of a transaction says nothing yet.
                if message is not None:
                    if told := self._decoder.read(message.payload):
                        return told
                    continue
                left = deadline - time.monotonic()
                if left <= 0 or (up_to is not None and self.position >= up_to):
                    return []
                if up_to is not None:
                    self._cursor.send_feedback(reply=True, force=True)  # type: ignore[no-untyped-call]  # As below.
                select.select([self._cursor], [], [], min(left, math.inf if up_to is None else ASK_SECONDS))
        except psycopg2.DatabaseError as error:
            raise RecordUnavailable from error

    def confirm(self, lsn: int) -> None:
        """Everything up to here is done and need not be sent again. RecordUnavailable."""
        try:
            self._cursor.send_feedback(  # type: ignore[no-untyped-call]  # The stubs forgot it.
                write_lsn=lsn, flush_lsn=lsn, apply_lsn=lsn, force=True
            )
        except psycopg2.DatabaseError as error:
            raise RecordUnavailable from error


def _start(cursor: ReplicationCursor) -> None:
    options: dict[str, Any] = {"proto_version": "1", "publication_names": PUBLICATION}
    try:
        cursor.start_replication(slot_name=SLOT, decode=False, status_interval=KEEP_ALIVE_SECONDS, options=options)
    except ObjectInUse as error:
        raise SomebodyElseReads from error
    except UndefinedObject as error:
        raise ChangesNotSetUp("there is no slot; run: onsale changes setup") from error
    except ObjectNotInPrerequisiteState as error:
        raise ChangesNotSetUp("the slot is lost; run: onsale changes setup") from error
    except psycopg2.OperationalError as error:
        raise RecordUnavailable from error


def _publication(connection: Connection) -> list[str] | None:
    """Its tables, in the order of their names; None without one."""
    found: list[str] | None = connection.scalar(_PUBLICATION, {"name": PUBLICATION})
    return found


_PUBLICATION = text("""
    SELECT ARRAY(SELECT tablename::text FROM pg_publication_tables WHERE pubname = p.pubname ORDER BY tablename)
      FROM pg_publication p WHERE pubname = :name""")
# Names of our own, above: a publication takes no parameters.
_CREATE_PUBLICATION = text(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {', '.join(TABLES)}")
_SET_TABLES = text(f"ALTER PUBLICATION {PUBLICATION} SET TABLE {', '.join(TABLES)}")
_CREATE_SLOT = text("SELECT pg_create_logical_replication_slot(:slot, 'pgoutput')")
_DROP_SLOT = text("SELECT pg_drop_replication_slot(:slot)")
_END_READING = text("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = :slot")
_FOLLOWED = text("""
    SELECT pg_wal_lsn_diff(coalesce(
               (SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = :slot),
               pg_current_wal_insert_lsn()), '0/0')::bigint""")
_END_OF_LOG = text("""
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
           pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint""")
_SEND_THE_LOG = text("""
    SELECT set_config('synchronous_commit', 'local', true), pg_logical_emit_message(true, 'onsale', '')""")
# Its 32 bits are within half a round of the newest: an id that is still at work may be beyond what has completed.
_ARE_VISIBLE = text("""
    SELECT coalesce(bool_and(pg_visible_in_snapshot(whole::text::xid8, snapshot)), true)
      FROM (SELECT pg_current_snapshot() AS snapshot) AS now
     CROSS JOIN LATERAL (SELECT pg_snapshot_xmax(snapshot)::text::bigint AS newest) AS latest
     CROSS JOIN unnest(CAST(:xids AS bigint[])) AS xid
     CROSS JOIN LATERAL (
         SELECT newest - (((newest - xid + 2147483648) & 4294967295) - 2147483648) AS whole) AS widened""")
_SLOT = text("""
    SELECT coalesce(wal_status, 'lost') AS kept, active AS followed,
           coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint AS behind_bytes,
           (SELECT CASE WHEN setting = '-1' THEN -1 ELSE setting::bigint * 1024 * 1024 END
              FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_bytes_max
      FROM pg_replication_slots WHERE slot_name = :slot""")
_ORIGIN = text("""
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                     left(pg_walfile_name(pg_current_wal_lsn()), 8),
                     (SELECT obj_description(oid, 'pg_publication') FROM pg_publication
                       WHERE pubname = :publication))""")
