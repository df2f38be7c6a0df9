"""The record's clock: the one that deadlines of holds are compared with."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

_NOW = text("SELECT clock_timestamp()")


def now(connection: Connection) -> datetime:
    """What time it is at the database, aware UTC."""
    at: datetime = connection.execute(_NOW).scalar_one()
    return at.astimezone(UTC)
