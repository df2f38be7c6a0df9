"""The chained log of a sale: lines, the batches that close them, and what its chainer needs to know."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, PgSnapshot, UuidKey


class RefundHistory(Base):
    """What became of a refund; written by a trigger, append-only."""

    __tablename__ = "refund_history"
    __table_args__ = (Index("refund_history_written", "written_in", postgresql_using="brin"),)

    event_id: Mapped[BigKey]
    refund_id: Mapped[UuidKey] = mapped_column(ForeignKey("refunds.id"))
    seq: Mapped[BigKey] = mapped_column(Identity(always=True))
    state: Mapped[str]
    at: Mapped[datetime]
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class ChainLine(Base):
    """One line of an event's chained log, as it is published; append-only."""

    __tablename__ = "sale_chain_lines"
    __table_args__ = (
        UniqueConstraint("event_id", "source", "id", "number", name="uq_sale_chain_lines_row"),
        CheckConstraint("position > 0", name="position"),
        CheckConstraint("source IN ('move', 'capture', 'run', 'log', 'refund')", name="source"),
    )

    event_id: Mapped[BigKey]
    position: Mapped[BigKey]
    source: Mapped[str]
    id: Mapped[UUID]
    number: Mapped[Big]
    line: Mapped[str]


class ChainBatch(Base):
    """Lines `first` to `last`, closed with a hash over them and the batch before; append-only."""

    __tablename__ = "sale_chain_batches"
    __table_args__ = (CheckConstraint("seq > 0 AND first > 0 AND first <= last", name="positions"),)

    event_id: Mapped[BigKey]
    seq: Mapped[BigKey]
    first: Mapped[Big]
    last: Mapped[Big]
    at: Mapped[str]
    marks: Mapped[str]
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class ChainKey(Base):
    """What an event's pseudonyms are made with."""

    __tablename__ = "sale_chain_keys"

    event_id: Mapped[BigKey]
    key: Mapped[bytes] = mapped_column(LargeBinary)


class ChainReader(Base):
    """What the chainer has seen, over all events."""

    __tablename__ = "sale_chain_reader"
    __table_args__ = (CheckConstraint("one_row", name="one_row"),)

    one_row: Mapped[bool] = mapped_column(primary_key=True)
    seen: Mapped[str] = mapped_column(PgSnapshot)
    origin: Mapped[str]
