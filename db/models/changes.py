"""The outbox of changes, which only a server without logical decoding needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, PgSnapshot, Xid8


class ChangeOutbox(Base):
    """What a transaction has changed: a row of a table by the key that its event is found by, or NULL for anything."""

    __tablename__ = "change_outbox"
    __table_args__ = (Index("change_outbox_by_xid", "xid"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    xid: Mapped[str] = mapped_column(Xid8)
    table_name: Mapped[str]
    key: Mapped[Big | None]


class ChangeOutboxPosition(Base):
    """How far the outbox was read, and who reads it; no row where it is not in use."""

    __tablename__ = "change_outbox_position"
    __table_args__ = (CheckConstraint("one_row", name="one_row"),)

    one_row: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    mark: Mapped[str]
    origin: Mapped[str]
    snapshot: Mapped[str] = mapped_column(PgSnapshot)
    lsn: Mapped[Big]
    rows_max: Mapped[Big]
    reader: Mapped[str | None]
    reader_until: Mapped[datetime | None]
