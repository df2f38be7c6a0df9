"""The record's clock, by which every deadline of a hold is measured."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text


def now(connection: Connection) -> datetime:
    """The time at the database, now (not at the beginning of the transaction)."""
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment
