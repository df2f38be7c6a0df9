"""Waiting lists, and what buyers asked to be written."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, Key, TextKey, UuidKey

_IN_LINE = text("ended_at IS NULL AND offer_id IS NULL AND NOT asleep")
_ON_LIST = text("ended_at IS NULL")
_OFFERED = text("ended_at IS NULL AND offer_id IS NOT NULL")


class WaitingList(Base):
    """An event's list: its settings, how far it has taken the queue in, and what it leaves to everybody."""

    __tablename__ = "waiting_lists"
    __table_args__ = (CheckConstraint("claim_seconds > 0", name="claim_seconds"),)

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    enabled: Mapped[bool]
    claim_seconds: Mapped[int]
    began_at: Mapped[datetime | None]
    taken_up_to: Mapped[Big]
    released: Mapped[int]
    asked_to: Mapped[Big]
    changes: Mapped[Big]
    free: Mapped[int]
    rounds: Mapped[int]
    version: Mapped[int]


class WaitingListEntry(Base):
    """Somebody on the list; `asleep`: did not answer when there was a ticket, and is asked again when seen."""

    __tablename__ = "waiting_list_entries"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("waiting_list_line", "event_id", "number", postgresql_where=_IN_LINE),
        Index("waiting_list_offered", "event_id", postgresql_where=_OFFERED),
        Index("waiting_list_one_a_number", "event_id", "number", unique=True, postgresql_where=_ON_LIST),
    )

    event_id: Mapped[BigKey]
    buyer_id: Mapped[UuidKey] = mapped_column(ForeignKey("buyers.id"))
    number: Mapped[Big]
    quantity: Mapped[int]
    section_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    max_price_minor: Mapped[int | None] = mapped_column(BigInteger)
    tell: Mapped[bool]
    joined_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    asleep: Mapped[bool]
    told_at: Mapped[datetime | None]
    missed_at: Mapped[datetime | None]
    offer_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]


class WaitingListOffer(Base):
    """Tickets that were offered: a booking made for who was next."""

    __tablename__ = "waiting_list_offers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "booking_id"], ["bookings.event_id", "bookings.id"], name="fk_waiting_list_offers_booking"
        ),
    )

    event_id: Mapped[BigKey]
    booking_id: Mapped[UuidKey]
    buyer_id: Mapped[UUID]
    number: Mapped[Big]
    round: Mapped[int]
    quantity: Mapped[int]
    claim_seconds: Mapped[int]
    offered_at: Mapped[datetime]
    window_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class WaitingListRound(Base):
    """A round that offered something, and whom it passed over."""

    __tablename__ = "waiting_list_rounds"

    event_id: Mapped[BigKey]
    round: Mapped[Key]
    at: Mapped[datetime]
    absent: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    unfit: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class Reminder(Base):
    """A letter a buyer asked for."""

    __tablename__ = "reminders"
    __table_args__ = (
        CheckConstraint("kind IN ('sale_opens', 'turn_near')", name="kind"),
        Index("reminders_due", "event_id", "kind", "number", postgresql_where=text("done_at IS NULL")),
        Index("reminders_of_buyer", "buyer_id", postgresql_where=text("done_at IS NULL")),
    )

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    buyer_id: Mapped[UuidKey] = mapped_column(ForeignKey("buyers.id"))
    kind: Mapped[TextKey]
    number: Mapped[int | None] = mapped_column(BigInteger)
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
