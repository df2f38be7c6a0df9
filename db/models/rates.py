"""The rate that is in force below the one that was set: what decides it, and what it was from when on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, BigKey, Key


class RateControl(Base):
    """Whether an event's rate follows its checkout or a ramp, and how far; `per_minute` None: as it was set."""

    __tablename__ = "rate_control"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    auto: Mapped[bool]
    ramp: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    ramp_from: Mapped[datetime | None]
    share_ppm: Mapped[int]
    strain: Mapped[float]
    usual_paying: Mapped[float]
    looks: Mapped[int]
    per_minute: Mapped[int | None]
    because: Mapped[str]
    version: Mapped[int]
    changed_at: Mapped[datetime]
    decided_at: Mapped[datetime]


class RateStep(Base):
    """From `at` on no more than so many a minute; append-only."""

    __tablename__ = "rate_steps"

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    version: Mapped[Key]
    at: Mapped[datetime]
    per_minute: Mapped[int | None]
    ceiling_per_minute: Mapped[int]
    because: Mapped[str]
