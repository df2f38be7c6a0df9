"""Letters to buyers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from onsale.db.models.base import Base, Big, UuidKey


class Letter(Base):
    """A letter about a booking: at most one of each kind."""

    __tablename__ = "letters"
    __table_args__ = (
        UniqueConstraint("event_id", "booking_id", "kind", name="uq_letters_booking_kind"),
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_letters_booking"
        ),
        CheckConstraint("kind IN ('needs_buyer', 'tickets', 'event_cancelled', 'refunded')", name="kind"),
        CheckConstraint("state IN ('waiting', 'sending', 'sent', 'unclear', 'failed', 'dropped')", name="state"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("letters_due", "kind", "due_at", postgresql_where=text("state IN ('waiting', 'sending')")),
        Index("letters_stuck", "updated_at", postgresql_where=text("state IN ('unclear', 'failed')")),
    )

    id: Mapped[UuidKey]
    event_id: Mapped[Big]
    booking_id: Mapped[UUID]
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
