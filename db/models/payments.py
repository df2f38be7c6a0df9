"""Payment intents, the cards tried, captures, and the webhooks seen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, FetchedValue, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, Key, TextKey, UuidKey


def _of_booking(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name=f"fk_{table}_booking"
    )


class Payment(Base):
    """The one payment intent of a booking."""

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("intent_id"),
        _of_booking("payments"),
        Index("payments_open", "updated_at", postgresql_where=text("NOT settled")),
        Index("payments_told", "refunds_told_at", postgresql_where=text("refunds_told_at IS NOT NULL")),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    intent_id: Mapped[str]
    client_secret: Mapped[str]
    status: Mapped[str]
    amount_minor: Mapped[Big]
    currency: Mapped[str]
    captured_minor: Mapped[Big]
    refunded_minor: Mapped[Big]
    refunds_told_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]
    settled: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PaymentAttempt(Base):
    """One card tried."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        _of_booking("payment_attempts"),
        Index(
            "payment_attempt_keys",
            "event_id",
            "booking_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "payment_attempt_cards",
            "event_id",
            "card_fingerprint",
            postgresql_where=text("card_fingerprint IS NOT NULL"),
        ),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    attempt: Mapped[Key]
    payment_method: Mapped[str]
    return_url: Mapped[str]
    outcome: Mapped[str]
    decline_code: Mapped[str | None]
    message: Mapped[str | None]
    next_action_url: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    idempotency_key: Mapped[str | None]
    card_fingerprint: Mapped[str | None]
    processing_until: Mapped[datetime | None]
    provider_method: Mapped[str | None]


class Capture(Base):
    """The money taken for a booking: at most one row, ever."""

    __tablename__ = "captures"
    __table_args__ = (
        _of_booking("captures"),
        Index("captures_written", "written_in", postgresql_using="brin"),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    amount_minor: Mapped[Big]
    at: Mapped[datetime]
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class WebhookEvent(Base):
    """A webhook that was received once."""

    __tablename__ = "webhook_events"

    id: Mapped[TextKey]
    type: Mapped[str]
    received_at: Mapped[datetime]
