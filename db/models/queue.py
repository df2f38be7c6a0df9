"""The queue's settings, its numbers and its journal, and the sale log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, FetchedValue, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey


class QueueSettings(Base):
    """What the organiser set for an event's queue."""

    __tablename__ = "queue_settings"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    enabled: Mapped[bool]
    phase: Mapped[str]
    opens_at: Mapped[datetime]
    rate_per_minute: Mapped[int]
    max_active: Mapped[int]
    selling: Mapped[bool]
    reason: Mapped[str]
    notice: Mapped[str]
    enter_seconds: Mapped[int]
    choose_seconds: Mapped[int]
    pay_seconds: Mapped[int]
    address_limit: Mapped[int]
    handsfree_per_minute: Mapped[int]
    version: Mapped[int]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]


class Draw(Base):
    """What was announced of an event's draw and what came of it; a row makes the event's queue a draw."""

    __tablename__ = "draws"
    __table_args__ = (
        CheckConstraint("octet_length(seed) = 32 AND seed_hash = encode(sha256(seed), 'hex')", name="seed"),
        CheckConstraint("(size IS NULL) = (closed_at IS NULL) AND size >= 0", name="closed"),
        CheckConstraint("(key IS NULL) = (held_at IS NULL) AND (key IS NULL OR octet_length(key) = 32)", name="held"),
        CheckConstraint("beacon_value IS NULL OR size IS NOT NULL AND beacon_name <> ''", name="beacon_after_closing"),
        CheckConstraint(
            "key IS NULL OR size IS NOT NULL AND (beacon_name = '' OR without_beacon OR beacon_value IS NOT NULL)",
            name="ready",
        ),
    )

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    seed: Mapped[bytes] = mapped_column(LargeBinary)
    seed_hash: Mapped[str]
    beacon_name: Mapped[str]
    announced_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    size: Mapped[Big | None]
    closed_at: Mapped[datetime | None]
    beacon_value: Mapped[str | None]
    without_beacon: Mapped[bool] = mapped_column(server_default=text("false"))
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    held_at: Mapped[datetime | None]


class SaleLog(Base):
    """One line of what was done to a sale; append-only."""

    __tablename__ = "sale_log"
    __table_args__ = (Index("sale_log_written", "written_in", postgresql_using="brin"),)

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    seq: Mapped[BigKey]
    at: Mapped[datetime]
    actor: Mapped[str]
    kind: Mapped[str]
    body: Mapped[dict[str, Any]]
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class NumberBlock(Base):
    """Queue numbers reserved for Redis to give out; blocks never overlap (an EXCLUDE constraint in the migration)."""

    __tablename__ = "number_blocks"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    first: Mapped[BigKey]
    last: Mapped[Big]
    reserved_at: Mapped[datetime]


class JoinJournal(Base):
    """Who took which number; append-only. Whose it is now: the view `numbers_held`."""

    __tablename__ = "join_journal"
    __table_args__ = (Index("join_journal_by_buyer", "event_id", "buyer_id"),)

    event_id: Mapped[BigKey]
    number: Mapped[BigKey]
    buyer_id: Mapped[UUID]
    joined_at: Mapped[datetime]


class ReturnJournal(Base):
    """Whose number took which return number; append-only."""

    __tablename__ = "return_journal"
    __table_args__ = (CheckConstraint("return_number > 0 AND number > 0", name="numbers"),)

    event_id: Mapped[BigKey]
    return_number: Mapped[BigKey]
    number: Mapped[Big]
    written_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class AdmissionLog(Base):
    """One run of the queue; append-only."""

    __tablename__ = "admission_log"
    __table_args__ = (Index("admission_log_written", "written_in", postgresql_using="brin"),)

    event_id: Mapped[BigKey]
    seq: Mapped[BigKey]
    first: Mapped[Big]
    last: Mapped[Big]
    return_first: Mapped[Big]
    return_last: Mapped[Big]
    admitted: Mapped[int]
    passed: Mapped[list[Any]]
    at: Mapped[datetime]
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class QueueCheckpoint(Base):
    """How far an event's queue was."""

    __tablename__ = "queue_checkpoints"

    event_id: Mapped[BigKey]
    serving: Mapped[Big]
    return_serving: Mapped[Big]
    issued: Mapped[Big]
    return_issued: Mapped[Big]
    at: Mapped[datetime]
