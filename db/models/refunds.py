"""Money on its way back, the organiser's rules for it, cancelled events and disputes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, TextKey, UuidKey


def _of_booking(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name=f"fk_{table}_booking"
    )


class Refund(Base):
    """What is given back for some tickets of a booking, and what is kept of it; its id is the provider's key."""

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint("provider_refund_id"),
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_refunds_booking"
        ),
        CheckConstraint("amount_minor >= 0 AND kept_minor >= 0 AND tickets > 0 AND attempt > 0", name="amounts"),
        CheckConstraint("reason IN ('buyer_cancelled', 'organiser', 'event_cancelled')", name="reason"),
        CheckConstraint("state IN ('requested', 'sent', 'succeeded', 'failed')", name="state"),
        CheckConstraint(
            "paid_elsewhere IS NULL OR (paid_elsewhere IN ('provider', 'dispute', 'outside') AND state = 'succeeded'"
            " AND provider_refund_id IS NULL AND paid_by IS NOT NULL AND paid_note IS NOT NULL)",
            name="paid_elsewhere",
        ),
        Index("refunds_open", "due_at", postgresql_where=text("state IN ('requested', 'sent', 'failed')")),
        Index(
            "refunds_to_look_at",
            "due_at",
            postgresql_where=text("state = 'succeeded' AND provider_refund_id IS NOT NULL AND NOT believed"),
        ),
        Index("refunds_of_booking", "event_id", "booking_id"),
        Index(
            "refund_keys",
            "event_id",
            "booking_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )

    id: Mapped[UuidKey]
    event_id: Mapped[Big]
    booking_id: Mapped[UUID]
    tickets: Mapped[int]
    amount_minor: Mapped[Big]
    kept_minor: Mapped[Big]
    currency: Mapped[str]
    reason: Mapped[str]
    asked_by: Mapped[str]
    state: Mapped[str]
    attempt: Mapped[int]
    provider_refund_id: Mapped[str | None]
    why: Mapped[str | None]
    paid_elsewhere: Mapped[str | None]
    paid_by: Mapped[str | None]
    paid_note: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    due_at: Mapped[datetime]
    requested_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    believed: Mapped[bool]


class RefundRules(Base):
    """Until when a buyer may cancel what is paid, and what the organiser keeps; no row: not at all."""

    __tablename__ = "refund_rules"
    __table_args__ = (
        CheckConstraint(
            "cancel_until_hours >= 0 AND fee_minor >= 0 AND fee_basis_points BETWEEN 0 AND 10000", name="ranges"
        ),
    )

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    cancel_until_hours: Mapped[int]
    fee_minor: Mapped[Big]
    fee_basis_points: Mapped[int]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]


class EventCancellation(Base):
    """An event that does not take place; `done_at`: every booking has ended and every refund was asked for."""

    __tablename__ = "event_cancellations"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    reason: Mapped[str]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class Dispute(Base):
    """A buyer's bank wants the money back without us."""

    __tablename__ = "disputes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_disputes_booking"
        ),
        Index("disputes_of_booking", "event_id", "booking_id"),
    )

    id: Mapped[TextKey]
    event_id: Mapped[Big]
    booking_id: Mapped[UUID]
    amount_minor: Mapped[Big]
    currency: Mapped[str]
    reason: Mapped[str]
    status: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
