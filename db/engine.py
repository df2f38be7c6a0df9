"""Connections to the record, and bringing its schema up to date.

Callers open a transaction here and pass the connection down; nothing in `db/` commits.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import psycopg2
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from onsale.db.confirming import confirmed
from onsale.errors import RecordUnavailable

# How long a silent server is waited for, unless the URL says otherwise. A vanished machine refuses nothing: but for
# these a statement under way would wait as long as the kernel does, a quarter of an hour.
PATIENCE = {
    # For each host of the URL.
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# What the server sets on each connection.
SETTINGS = {
    # Said once here: told to the driver, it would cost a round trip whenever a connection changes hands.
    "default_transaction_isolation": r"read\ committed",
    # Short statements by the thousand: compiling one costs more than it could save.
    "jit": "off",
    "TimeZone": "UTC",
    # `confirmed` must hear a commit's warning, and nothing beside it.
    "client_min_messages": "warning",
}
# The planner takes a look-up by index for as slow as on a turning disk, and reads a house of 10,000 seats to find 200.
# Whoever joins row by row reads what is asked for, however big the house.
BY_INDEX = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
# A connection that has lain still for so long is asked whether its server is still there: a machine that vanished says
# nothing by itself. Asked each time, that would cost as much as the statement itself.
RESTED_SECONDS = 1.0
# Somebody who waits longer than this for a pooled connection is better told to try again.
POOL_WAIT_SECONDS = 5
MIGRATION_LOCK_TIMEOUT = "5s"
# "onsale" in ASCII: two processes that migrate at once take turns.
MIGRATION_LOCK = 0x6F6E73616C65
# The server says by these classes that it is not there for us: connection, resources, shutting down.
_AWAY = ("08", "53", "57P")
# And by this one that it is a standby now: a connection from before the switch, or a name that still leads to it.
_DEMOTED = "25006"
# Too many wanted the same: a lock or statement timeout, a deadlock, a serialization failure. Once more will do.
_BUSY = ("55P03", "57014", "40P01", "40001")
# The driver's own words, where SQLAlchemy does not put them into its.
_AWAY_BY_ITSELF = (psycopg2.OperationalError, psycopg2.InterfaceError)
# What the driver says by itself, before it asks the server, is a mistake of ours.
_MISTAKES = (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError, psycopg2.IntegrityError)


def make_engine(
    url: str,
    *,
    application_name: str = "onsale",
    pool_size: int = 5,
    max_overflow: int = 5,
    lock_timeout_ms: int | None = None,
    statement_timeout_ms: int | None = None,
    idle_in_transaction_ms: int | None = None,
    by_index: bool = False,
) -> Engine:
    """A pool of connections in READ COMMITTED; the limits, when given, are set by the server on each of them.

    `by_index`: for statements that touch a few named rows of a big table and must never read all of it.
    """
    limits = {
        "lock_timeout": lock_timeout_ms,
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": idle_in_transaction_ms,
    }
    set_limits = {name: str(ms) for name, ms in limits.items() if ms is not None}
    settings = SETTINGS | (BY_INDEX if by_index else {}) | set_limits
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=POOL_WAIT_SECONDS,
        # What few need, few keep awake.
        pool_use_lifo=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "application_name": application_name,
            **{name: value for name, value in PATIENCE.items() if name not in make_url(url).query},
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        },
    )
    event.listen(engine, "handle_error", _forget_connections)
    _ask_the_rested(engine)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back by an exception.

    RecordUnavailable when the database does not answer, went away in the middle or is too busy, and when a synchronous
    standby did not confirm the commit. Then nobody knows whether it is committed: whatever is written here may be
    written twice.
    """
    with _translated(), engine.connect() as connection, connection.begin() as begun:
        yield connection
        with confirmed(connection):
            begun.commit()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for short reads: every statement stands alone (autocommit), which saves two round trips.

    RecordUnavailable when the database does not answer or is too busy.
    """
    with _translated(), engine.connect() as connection:
        driver: psycopg2.extensions.connection = connection.connection.driver_connection  # type: ignore[assignment]
        # Not by SQLAlchemy's isolation level: to undo that it asks the server, and a connection whose server has just
        # died would fail there, outside every `try`, and be lost to the pool for good.
        driver.autocommit = True
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = False


def make_sure(engine: Engine) -> None:
    """Return when everything read here before is on the synchronous standby too, where there is one.

    For answering with what another call committed: a commit whose wait for the standby was cut off can be read, and
    yet be lost with the primary. RecordUnavailable when the standby does not confirm.
    """
    with transaction(engine) as connection:
        # The smallest thing whose commit waits: the log is confirmed in order, so all before it is too.
        connection.execute(text("SELECT pg_logical_emit_message(true, 'onsale', '')"))


def _ask_the_rested(engine: Engine) -> None:
    """A failover leaves dead connections in the pool; this finds those that lay there, before a buyer does."""

    def rests(driver: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["rests_since"] = time.monotonic()

    def is_taken(driver: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
        rested = time.monotonic() - entry.info.get("rests_since", math.inf) >= RESTED_SECONDS
        try:
            if rested or _was_spoken_to(driver):
                engine.dialect.do_ping(driver)
        except psycopg2.Error as error:
            # SQLAlchemy lets go of everything as old as this one, and connects anew.
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", rests)
    event.listen(engine, "checkout", is_taken)


def _was_spoken_to(driver: DBAPIConnection) -> bool:
    """Whether there is something to read that nobody asked for: a server that dies says so, or its kernel does."""
    looking = select.poll()
    looking.register(driver.fileno(), select.POLLIN)
    return bool(looking.poll(0))


def _forget_connections(context: ExceptionContext) -> None:
    """Let go of the whole pool when its server goes away or is the primary no longer; SQLAlchemy opens new ones."""
    code = getattr(context.original_exception, "pgcode", None)
    if code is not None and code.startswith(("57P", _DEMOTED)):
        context.is_disconnect = True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise RecordUnavailable("All connections to the database are busy.") from error
    except _AWAY_BY_ITSELF as error:
        raise RecordUnavailable from error
    except DBAPIError as error:
        if is_away(error):
            raise RecordUnavailable from error
        if _code(error).startswith(_BUSY):
            raise RecordUnavailable("The database is busy. Try again in a moment.") from error
        raise


def is_away(error: DBAPIError) -> bool:
    """Whether the database was not there, rather than the statement wrong."""
    if error.connection_invalidated:
        return True
    code = _code(error)
    return code.startswith((*_AWAY, _DEMOTED)) if code else not isinstance(error.orig, _MISTAKES)


def _code(error: DBAPIError) -> str:
    """The server's SQLSTATE; empty when it was the driver that spoke."""
    return getattr(error.orig, "pgcode", None) or ""


def migrate(url: str) -> None:
    """Bring the schema to the newest revision; safe to run twice and by several processes at once."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # A migration that waits longer for a table would make everybody behind it wait too.
        connection.execute(text(f"SET lock_timeout = '{MIGRATION_LOCK_TIMEOUT}'"))
        connection.commit()
        settings = _settings()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
        connection.commit()


def newest_revision() -> str:
    """The revision this code was written for."""
    head = ScriptDirectory.from_config(_settings()).get_current_head()
    assert head is not None
    return head


def is_ready(connection: Connection) -> bool:
    """Whether the record answers, takes writes, and has the schema this code was written for."""
    standby: bool = connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
    return not standby and MigrationContext.configure(connection).get_current_revision() == newest_revision()


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", "onsale.db:migrations")
    return settings
