"""Who sells and who buys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, TextKey, UuidKey


class Organiser(Base):
    """Who puts events on sale."""

    __tablename__ = "organisers"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[BigKey]
    name: Mapped[str]


class Staff(Base):
    """One of an organiser's people."""

    __tablename__ = "staff"
    __table_args__ = (CheckConstraint("role IN ('owner', 'admin', 'viewer')", name="role"),)

    id: Mapped[UuidKey]
    organiser_id: Mapped[Big] = mapped_column(ForeignKey("organisers.id"))
    email: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]


Index("staff_email", func.lower(Staff.email), unique=True)


class Buyer(Base):
    """Someone who buys; a guest is a buyer without a password."""

    __tablename__ = "buyers"
    __table_args__ = (CheckConstraint("password_hash IS NULL OR email IS NOT NULL", name="account_has_email"),)

    id: Mapped[UuidKey]
    email: Mapped[str | None]
    password_hash: Mapped[str | None]
    name: Mapped[str]
    provider_customer_id: Mapped[str | None]
    created_at: Mapped[datetime]


Index("account_email", func.lower(Buyer.email), unique=True, postgresql_where=text("password_hash IS NOT NULL"))


class Setup(Base):
    """A card a buyer saved at the payment provider, or is saving."""

    __tablename__ = "setups"
    __table_args__ = (UniqueConstraint("setup_intent_id"),)

    buyer_id: Mapped[UUID] = mapped_column(ForeignKey("buyers.id"), primary_key=True)
    setup_intent_id: Mapped[TextKey]
    payment_method: Mapped[str | None]
    created_at: Mapped[datetime]
