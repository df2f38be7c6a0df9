"""Asking the record: raw statements, one file each, and connections whose failures are told in Onsale's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError, TimeoutError

from onsale.errors import RecordUnavailable


@cache
def load(name: str) -> TextClause:
    """The statement in `<name>.sql`; its first line says what it does and why it is raw."""
    return text(files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))


@contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """A connection to read over; RecordUnavailable when the record does not answer."""
    try:
        with engine.connect() as connection:
            yield connection
    except (DBAPIError, TimeoutError) as error:
        raise RecordUnavailable from error
