"""Bookings, their legal moves, their history and their tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    FetchedValue,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, Key, PgSnapshot, TextKey, UuidKey, Xid8

_LIVE_ADMISSION = "admission_id IS NOT NULL AND (hold_version IS NOT NULL OR state IN ('waiting', 'queued'))"
_HOLDING = "state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed')"


class Booking(Base):
    """A request for tickets, and all that became of it."""

    __tablename__ = "bookings"
    __table_args__ = (
        UniqueConstraint("event_id", "buyer_id", "idempotency_key", name="uq_bookings_key"),
        Index("admission_index", "event_id", "admission_id", unique=True, postgresql_where=text(_LIVE_ADMISSION)),
        Index("bookings_queued", "event_id", "number", "created_at", "id", postgresql_where=text("state = 'queued'")),
        Index(
            "bookings_waiting",
            "event_id",
            "number",
            postgresql_where=text("state = 'waiting' AND return_number IS NULL"),
        ),
        Index(
            "bookings_waiting_again",
            "event_id",
            "return_number",
            postgresql_where=text("state = 'waiting' AND return_number IS NOT NULL"),
        ),
        Index("bookings_by_deadline", "hold_until", postgresql_where=text(_HOLDING)),
        Index("bookings_of_buyer", "buyer_id", "created_at"),
        Index(
            "bookings_of_address",
            "event_id",
            "address_digest",
            postgresql_where=text("address_digest IS NOT NULL"),
        ),
        Index("bookings_refunding", "event_id", "id", postgresql_where=text("state = 'refunding'")),
    )

    event_id: Mapped[BigKey]
    id: Mapped[UuidKey]
    buyer_id: Mapped[UUID]
    number: Mapped[Big]
    return_number: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str]
    version: Mapped[int]
    wishes: Mapped[list[Any]]
    payment_method: Mapped[str | None]
    tickets_wanted: Mapped[int]
    tickets_taken: Mapped[int]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str]
    admission_id: Mapped[str | None]
    idempotency_key: Mapped[str]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hold_version: Mapped[int | None]
    hold_until: Mapped[datetime | None]
    hold_extensions: Mapped[int]
    voiding: Mapped[bool]
    reason: Mapped[str | None]
    batch_snapshot: Mapped[str | None] = mapped_column(PgSnapshot)
    queued_xid: Mapped[str | None] = mapped_column(Xid8)
    claimed_until: Mapped[datetime | None]
    claimed_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    fees_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    taxes_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    price_terms: Mapped[dict[str, Any] | None]
    address_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    code_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))


class BookingMove(Base):
    """A legal move of a booking; the table in `db/states.py`, where the database can see it."""

    __tablename__ = "booking_moves"

    from_state: Mapped[TextKey]
    to_state: Mapped[TextKey]


class BookingHistory(Base):
    """A move that was made; written by a trigger, append-only."""

    __tablename__ = "booking_history"
    __table_args__ = (Index("booking_history_written", "written_in", postgresql_using="brin"),)

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    version: Mapped[Key]
    from_state: Mapped[str]
    to_state: Mapped[str]
    at: Mapped[datetime]
    reason: Mapped[str | None]
    written_in: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class BookingTicket(Base):
    """A ticket taken for a booking; live until released."""

    __tablename__ = "booking_tickets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "ticket_id"], ["tickets.event_id", "tickets.id"], name="fk_booking_tickets_ticket"
        ),
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_booking_tickets_booking"
        ),
        ForeignKeyConstraint(["refund_id"], ["refunds.id"], name="fk_booking_tickets_refund"),
        CheckConstraint("refund_id IS NULL OR released_at IS NOT NULL", name="refunded"),
        # A ticket is accepted at a door or given back, never both.
        CheckConstraint("checked_in_at IS NULL OR released_at IS NULL", name="checked_in"),
        Index("sale_index", "event_id", "ticket_id", unique=True, postgresql_where=text("released_at IS NULL")),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    ticket_id: Mapped[BigKey]
    price_minor: Mapped[Big]
    hold_version: Mapped[int]
    taken_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    refund_id: Mapped[UUID | None]
    checked_in_at: Mapped[datetime | None]
    tier: Mapped[str | None]
