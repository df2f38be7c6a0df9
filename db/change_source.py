"""Where changes are heard of: a slot of the record's log, or the outbox where the server has none to give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sqlalchemy import Connection, Engine, text

from onsale.db import change_outbox, change_stream
from onsale.db.engine import reading as asking
from onsale.db.pgoutput import Change, Commit
from onsale.errors import ChangesNotSetUp


class Source(StrEnum):
    """What carries a change to its reader."""

    SLOT = "slot"
    OUTBOX = "outbox"


class Changes(Protocol):
    """One reader's changes, each after it was committed. Positions are places in the record's log, and only grow."""

    @property
    def position(self) -> int:
        """All that was committed before this LSN has been read."""

    def read(self, *, wait_seconds: float, up_to: int | None = None) -> list[Change | Commit]:
        """What came next, waiting for at most so long, or until all before `up_to` has been read."""

    def confirm(self, lsn: int) -> None:
        """Everything up to here is done and need not be told again."""

    def close(self) -> None:
        """Let another process read."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What changes are heard by, why, and whether anything had to be made for it."""

    source: Source
    why: str
    made: bool


def chosen(connection: Connection) -> Source | None:
    """What is set up; while one takes the other's place, the outbox, which needs no reader to keep what it has."""
    if change_outbox.state(connection) is not None:
        return Source.OUTBOX
    return Source.SLOT if change_stream.slot(connection) is not None else None


def set_up(engine: Engine, wanted: Source | None = None) -> SetUp:
    """Make what is missing. Unless told which: what there is stays, and without any the outbox only where it must be.

    The other source goes when this one is at work, and every copy is made anew: nothing is lost in between.
    ChangesNotSetUp where the wanted one cannot be had; RecordUnavailable.
    """
    with asking(engine) as connection:
        there, lacking = chosen(connection), lacks(connection)
    source, why = _decide(wanted, there, lacking)
    if source is Source.OUTBOX:
        made = change_outbox.set_up(engine)
        with asking(engine) as connection:
            change_stream.end_reading(connection)
            change_stream.tear_down(connection)
    else:
        if lacking:
            raise ChangesNotSetUp(lacking)
        with asking(engine) as connection:
            made = change_stream.set_up(connection)
        if there is Source.OUTBOX:
            change_outbox.tear_down(engine)
    return SetUp(source, why, made or source is not there)


def lacks(connection: Connection) -> str:
    """Why there can be no slot; empty when there can."""
    row = connection.execute(_LOOK).one()
    if row.wal_level != "logical":
        return f"wal_level is {row.wal_level}; for a slot set it to logical and start PostgreSQL again"
    if not row.may_replicate:
        return "this user may not replicate; for a slot: ALTER ROLE ... REPLICATION"
    if not row.may_publish:
        return "this user may not make a publication; for a slot: GRANT CREATE ON DATABASE"
    return ""


def tear_down(engine: Engine) -> None:
    """Remove both, so that the server keeps nothing for a reader that does not come back."""
    with asking(engine) as connection:
        there = chosen(connection)
        change_stream.tear_down(connection)
    if there is Source.OUTBOX:
        change_outbox.tear_down(engine)


def origin(connection: Connection) -> str:
    """Which log the positions are of, and from when on; with another one every copy must be made anew."""
    if chosen(connection) is Source.OUTBOX:
        return change_outbox.origin(connection)
    return change_stream.origin(connection)


def followed_up_to(connection: Connection) -> int:
    """All changes up to this LSN were followed and are visible."""
    if chosen(connection) is Source.OUTBOX:
        return change_outbox.followed_up_to(connection)
    return change_stream.followed_up_to(connection)


@contextmanager
def reading(engine: Engine) -> Iterator[Changes]:
    """The changes from the last confirmed one on.

    SomebodyElseReads while another process reads; ChangesNotSetUp, RecordUnavailable.
    """
    with asking(engine) as connection:
        source = chosen(connection)
    if source is Source.OUTBOX:
        with change_outbox.reading(engine) as outbox:
            yield outbox
    else:
        with change_stream.reading(engine) as stream:
            yield stream


def _decide(wanted: Source | None, there: Source | None, lacking: str) -> tuple[Source, str]:
    if wanted is not None:
        return wanted, "it was asked for"
    if there is not None:
        return there, "it was chosen before"
    if lacking:
        return Source.OUTBOX, lacking
    return Source.SLOT, "the server has logical decoding"


# What a hosted server gives instead of the attribute is a role.
_LOOK = text("""
    SELECT current_setting('wal_level') AS wal_level,
           has_database_privilege(current_database(), 'CREATE') AS may_publish,
           EXISTS (SELECT FROM pg_roles
                    WHERE rolname = current_user AND (rolreplication OR rolsuper)
                       OR rolname = 'rds_replication' AND pg_has_role(oid, 'MEMBER')) AS may_replicate""")
