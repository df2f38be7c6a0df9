"""Codes, who used them, and what they took off or were worth in a draw."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, UuidKey


class Code(Base):
    """A code of an event."""

    __tablename__ = "codes"
    __table_args__ = (
        UniqueConstraint("event_id", "code", name="uq_codes_code"),
        # Whose words are in the migration.
        CheckConstraint("kind IN ('amount', 'percent', 'unlock', 'early', 'priority')", name="gives"),
        CheckConstraint("weight BETWEEN 1 AND 100", name="weight"),
        CheckConstraint("uses_max > 0 AND uses_per_buyer > 0", name="uses"),
    )

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id", name="fk_codes_event"))
    id: Mapped[BigKey]
    code: Mapped[str]
    kind: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    percent_bp: Mapped[int] = mapped_column(server_default=text("0"))
    presale_from: Mapped[datetime | None]
    section_ids: Mapped[list[int] | None] = mapped_column(ARRAY(INTEGER))
    stackable: Mapped[bool] = mapped_column(server_default=text("false"))
    uses_max: Mapped[int | None]
    uses_per_buyer: Mapped[int | None]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(server_default="")
    off: Mapped[bool] = mapped_column(server_default=text("false"))
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    weight: Mapped[int] = mapped_column(server_default=text("1"))


class CodeUse(Base):
    """A hold that used a code; it counts while the booking has tickets."""

    __tablename__ = "code_uses"
    __table_args__ = (
        ForeignKeyConstraint(["event_id", "code_id"], ["codes.event_id", "codes.id"], name="fk_code_uses_code"),
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_code_uses_booking"
        ),
        CheckConstraint("discount_minor >= 0", name="discount_minor"),
        Index("code_uses_by_code", "event_id", "code_id", "buyer_id"),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    code_id: Mapped[BigKey]
    buyer_id: Mapped[UUID]
    discount_minor: Mapped[Big]
    used_at: Mapped[datetime]


class TicketDiscount(Base):
    """What codes took off the price of a ticket, before it was held."""

    __tablename__ = "ticket_discounts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "booking_id", "ticket_id"],
            ["booking_tickets.event_id", "booking_tickets.booking_id", "booking_tickets.ticket_id"],
            name="fk_ticket_discounts_ticket",
        ),
        CheckConstraint("discount_minor > 0", name="discount_minor"),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    ticket_id: Mapped[BigKey]
    discount_minor: Mapped[Big]


class DrawWeight(Base):
    """How much an entry may count in a draw, and of how many people at most; published before anybody joins."""

    __tablename__ = "draw_weights"
    __table_args__ = (CheckConstraint("weight BETWEEN 2 AND 100 AND people_max > 0", name="weight"),)

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    weight: Mapped[int] = mapped_column(primary_key=True)
    people_max: Mapped[Big]


class DrawLots(Base):
    """Who joined a draw with a code: so many numbers in a row from the first, once the queue gave them."""

    __tablename__ = "draw_lots"
    __table_args__ = (
        UniqueConstraint("event_id", "first_number", name="uq_draw_lots_first_number"),
        ForeignKeyConstraint(["event_id", "code_id"], ["codes.event_id", "codes.id"], name="fk_draw_lots_code"),
        CheckConstraint("weight BETWEEN 2 AND 100", name="weight"),
        Index("draw_lots_by_code", "event_id", "code_id"),
    )

    event_id: Mapped[BigKey]
    buyer_id: Mapped[UuidKey]
    code_id: Mapped[Big]
    weight: Mapped[int]
    first_number: Mapped[int | None] = mapped_column(BigInteger)
    taken_at: Mapped[datetime]
