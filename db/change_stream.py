"""The record's change stream: one publication, one slot, read in commit order by whoever has the slot.

A slot has one reader at a time; the server sees to that, so it is the lease as well. What was not confirmed is sent
again after a crash.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.errors import ObjectInUse, UndefinedObject
from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor
from sqlalchemy import Connection, Engine, text

from onsale.db.engine import PATIENCE
from onsale.db.pgoutput import Change, Commit, Decoder
from onsale.errors import ChangesNotSetUp, RecordUnavailable, SomebodyElseReads

PUBLICATION = "onsale_changes"
SLOT = "onsale_changes"
# What the document of an event is made of.
TABLES = ("artists", "event_artists", "events", "sections", "venues")
# The server wants to hear from its reader, or lets go of it after its wal_sender_timeout (a minute).
KEEP_ALIVE_SECONDS = 10
# Whoever waits for a place in the log asks so often whether the server is there; it answers at once.
ASK_SECONDS = 0.02


def set_up(connection: Connection) -> bool:
    """Make the publication and the slot where they are missing; whether anything was.

    The connection must be in autocommit: a slot is not made in a transaction that has written. ChangesNotSetUp where
    the server cannot: it says what it lacks.
    """
    before = (_publication(connection), _slot(connection))
    if not before[0]:
        connection.execute(_CREATE_PUBLICATION)
    if not before[1]:
        if (level := connection.scalar(text("SHOW wal_level"))) != "logical":
            raise ChangesNotSetUp(f"wal_level is {level}; set it to logical and start PostgreSQL again")
        connection.execute(_CREATE_SLOT, {"slot": SLOT})
    return not all(before)


def tear_down(connection: Connection) -> None:
    """Remove both, so that the server keeps nothing for a reader that does not come back."""
    if _slot(connection):
        connection.execute(text("SELECT pg_drop_replication_slot(:slot)"), {"slot": SLOT})
    connection.execute(text(f"DROP PUBLICATION IF EXISTS {PUBLICATION}"))


def behind_bytes(connection: Connection) -> int | None:
    """How much of the log the server keeps for the reader; None without a slot."""
    found: int | None = connection.scalar(_BEHIND, {"slot": SLOT})
    return found


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
    except psycopg2.OperationalError as error:
        raise RecordUnavailable from error


def _publication(connection: Connection) -> bool:
    return bool(connection.scalar(_HAS_PUBLICATION, {"name": PUBLICATION}))


def _slot(connection: Connection) -> bool:
    return bool(connection.scalar(_HAS_SLOT, {"slot": SLOT}))


_HAS_PUBLICATION = text("SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = :name)")
# Names of our own, above: a publication takes no parameters.
_CREATE_PUBLICATION = text(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {', '.join(TABLES)}")
_HAS_SLOT = text("SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = :slot)")
_CREATE_SLOT = text("SELECT pg_create_logical_replication_slot(:slot, 'pgoutput')")
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
_BEHIND = text("""
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint
      FROM pg_replication_slots WHERE slot_name = :slot""")
