"""Connections to the record, and bringing its schema up to date.

Callers open a transaction here and pass the connection down; nothing in `db/` commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.pool import NullPool

from onsale.errors import RecordUnavailable

CONNECT_SECONDS = 5
# Somebody who waits longer than this for a pooled connection is better told to try again.
POOL_WAIT_SECONDS = 5
MIGRATION_LOCK_TIMEOUT = "5s"
# "onsale" in ASCII: two processes that migrate at once take turns.
MIGRATION_LOCK = 0x6F6E73616C65
# The server says by these classes that it is not there for us: connection, resources, shutting down, read-only standby.
_AWAY = ("08", "53", "57P", "25006")


def make_engine(
    url: str,
    *,
    application_name: str = "onsale",
    pool_size: int = 5,
    max_overflow: int = 5,
    lock_timeout_ms: int | None = None,
    statement_timeout_ms: int | None = None,
    idle_in_transaction_ms: int | None = None,
) -> Engine:
    """A pool of connections in READ COMMITTED; the limits, when given, are set by the server on each of them."""
    limits = {
        "lock_timeout": lock_timeout_ms,
        "statement_timeout": statement_timeout_ms,
        "idle_in_transaction_session_timeout": idle_in_transaction_ms,
        # Short statements by the thousand: compiling one costs more than it could save.
        "jit": "off",
        "TimeZone": "UTC",
    }
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=POOL_WAIT_SECONDS,
        # A failover leaves dead connections in the pool; this finds them before a buyer does.
        pool_pre_ping=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "application_name": application_name,
            "connect_timeout": CONNECT_SECONDS,
            "options": " ".join(f"-c {name}={value}" for name, value in limits.items() if value is not None),
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back by an exception.

    RecordUnavailable when the database does not answer, or went away in the middle.
    """
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for short reads: every statement stands alone (autocommit), which saves two round trips.

    RecordUnavailable when the database does not answer.
    """
    with _translated(), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise RecordUnavailable("All connections to the database are busy.") from error
    except DBAPIError as error:
        if is_away(error):
            raise RecordUnavailable from error
        raise


def is_away(error: DBAPIError) -> bool:
    """Whether the database was not there, rather than the statement wrong."""
    code = getattr(error.orig, "pgcode", None)
    return error.connection_invalidated or code is None or code.startswith(_AWAY)


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
