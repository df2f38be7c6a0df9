"""What stands against bots, which places were revoked, and whose place became whose."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import CIDR, INET
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, UuidKey


class QueueGuard(Base):
    """What an event asks of newcomers and their devices."""

    __tablename__ = "queue_guards"
    __table_args__ = (CheckConstraint("work_bits BETWEEN 0 AND 26", name="work_bits"),)

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    work_bits: Mapped[int]
    device_required: Mapped[bool]
    contact: Mapped[str]
    version: Mapped[int]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str]


class JoinAddress(Base):
    """Where a place was taken from; an IPv6 address as its /64."""

    __tablename__ = "join_addresses"
    __table_args__ = (Index("join_addresses_by_address", "event_id", "address"),)

    event_id: Mapped[BigKey]
    number: Mapped[BigKey]
    address: Mapped[str] = mapped_column(INET)


class Revocation(Base):
    """A place, or a block of addresses, that staff took out of the queue."""

    __tablename__ = "revocations"
    __table_args__ = (
        CheckConstraint("num_nonnulls(number, network) = 1", name="what"),
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone"),
        Index("revocations_of_event", "event_id", "made_at"),
    )

    id: Mapped[UuidKey]
    event_id: Mapped[Big] = mapped_column(ForeignKey("events.id"))
    number: Mapped[Big | None]
    network: Mapped[str | None] = mapped_column(CIDR)
    reason: Mapped[str]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]


class RevokedPlace(Base):
    """A number that a revocation took; `pending` until the queue was told."""

    __tablename__ = "revoked_places"
    __table_args__ = (Index("revoked_places_pending", "event_id", "number", postgresql_where=text("pending")),)

    event_id: Mapped[BigKey]
    number: Mapped[BigKey]
    revocation_id: Mapped[UuidKey] = mapped_column(ForeignKey("revocations.id"))
    pending: Mapped[bool]


class PlaceHandover(Base):
    """A guest's place that became an account's."""

    __tablename__ = "place_handovers"
    __table_args__ = (Index("place_handovers_given_up", "event_id", "given_up"),)

    event_id: Mapped[BigKey]
    from_buyer: Mapped[UuidKey]
    to_buyer: Mapped[UUID]
    number: Mapped[Big]
    given_up: Mapped[Big | None]
    joined_at: Mapped[datetime]
    made_at: Mapped[datetime]
