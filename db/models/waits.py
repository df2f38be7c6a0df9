"""What was told to those who waited."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey


class WaitTold(Base):
    """What the status said of the wait at a moment; a line now and then."""

    __tablename__ = "waits_told"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id", name="fk_waits_told_event"))
    slot: Mapped[BigKey]
    at: Mapped[datetime]
    serving: Mapped[Big]
    issued: Mapped[Big]
    body: Mapped[dict[str, Any]]


class SectionGone(Base):
    """Since when a section is sold out; the row goes when a ticket comes back."""

    __tablename__ = "sections_gone"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id", name="fk_sections_gone_event"))
    section_id: Mapped[BigKey]
    at: Mapped[datetime]
