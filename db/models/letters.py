"""Letters to buyers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped

from onsale.db.models.base import Base, Big, UuidKey


class Letter(Base):
    """A letter about a booking: at most one of each kind. Or to a buyer about an event, once for each occasion."""

    __tablename__ = "letters"
    __table_args__ = (
        UniqueConstraint("event_id", "booking_id", "kind", name="uq_letters_booking_kind"),
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_letters_booking"
        ),
        CheckConstraint(
            "kind IN ('needs_buyer', 'tickets', 'event_cancelled', 'refunded',"
            " 'ticket_back', 'turn_near', 'sale_opens')",
            name="kind",
        ),
        CheckConstraint("(booking_id IS NULL) = (buyer_id IS NOT NULL AND occasion IS NOT NULL)", name="about"),
        CheckConstraint("state IN ('waiting', 'sending', 'sent', 'unclear', 'failed', 'dropped')", name="state"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("letters_due", "kind", "due_at", postgresql_where=text("state IN ('waiting', 'sending')")),
        Index("letters_stuck", "updated_at", postgresql_where=text("state IN ('unclear', 'failed')")),
    )

    id: Mapped[UuidKey]
    event_id: Mapped[Big]
    booking_id: Mapped[UUID | None]
    kind: Mapped[str]
    address: Mapped[str]
    state: Mapped[str]
    version: Mapped[int]
    tries: Mapped[int]
    since: Mapped[datetime]
    due_at: Mapped[datetime]
    why: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    buyer_id: Mapped[UUID | None]
    occasion: Mapped[str | None]


Index(
    "letters_of_buyer",
    Letter.event_id,
    Letter.buyer_id,
    Letter.kind,
    Letter.occasion,
    unique=True,
    postgresql_where=text("booking_id IS NULL"),
)
Index("letters_by_address", func.lower(Letter.address), Letter.created_at, postgresql_where=text("booking_id IS NULL"))
