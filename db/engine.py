"""Connections to the record, and bringing its schema up to date.

Callers open a transaction here and pass the connection down; nothing in `db/` commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine


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
    raise NotImplementedError


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back by an exception.

    RecordUnavailable when the database does not answer, or went away in the middle.
    """
    raise NotImplementedError
    yield


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for short reads: every statement stands alone (autocommit), which saves two round trips.

    RecordUnavailable when the database does not answer.
    """
    raise NotImplementedError
    yield


def migrate(url: str) -> None:
    """Bring the schema to the newest revision; safe to run twice and by several processes at once."""
    raise NotImplementedError


def newest_revision() -> str:
    """The revision this code was written for."""
    raise NotImplementedError


def is_ready(connection: Connection) -> bool:
    """Whether the record answers, takes writes, and has the schema this code was written for."""
    raise NotImplementedError
