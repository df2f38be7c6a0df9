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
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, Key, PgSnapshot, UuidKey


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


class SaleReport(Base):
    """A report that was asked for in the console or over the API, and how far it is."""

    __tablename__ = "sale_reports"
    __table_args__ = (
        CheckConstraint("state IN ('asked', 'making', 'ready', 'failed')", name="state"),
        Index("sale_reports_open", "event_id", unique=True, postgresql_where=text("state IN ('asked', 'making')")),
        Index("sale_reports_of_event", "event_id", "asked_at"),
    )

    id: Mapped[UuidKey]
    event_id: Mapped[Big] = mapped_column(ForeignKey("events.id"))
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    state: Mapped[str]
    attempt: Mapped[int]
    lease_until: Mapped[datetime | None]
    lines_done: Mapped[Big]
    lines_all: Mapped[Big]
    head: Mapped[str | None]
    broken: Mapped[str | None]
    page: Mapped[str | None]
    why: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class SaleReportPart(Base):
    """A piece of a report, packed."""

    __tablename__ = "sale_report_parts"

    report_id: Mapped[UuidKey] = mapped_column(ForeignKey("sale_reports.id", ondelete="CASCADE"))
    part: Mapped[Key]
    body: Mapped[bytes] = mapped_column(LargeBinary)
