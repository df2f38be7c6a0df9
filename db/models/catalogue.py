"""What is shown, where, and what is sold."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from onsale.db.models.base import Base, Big, BigKey, Key, Xid8


class Venue(Base):
    """A place."""

    __tablename__ = "venues"

    id: Mapped[Key]
    name: Mapped[str]
    city: Mapped[str]
    country: Mapped[str]
    region: Mapped[str]
    latitude: Mapped[float] = mapped_column(Double)
    longitude: Mapped[float] = mapped_column(Double)
    capacity: Mapped[int]


class Artist(Base):
    """Who plays."""

    __tablename__ = "artists"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[BigKey]
    name: Mapped[str]


class Event(Base):
    """A show."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("status IN ('draft', 'published', 'cancelled')", name="status"),
        CheckConstraint("tickets_per_card > 0", name="tickets_per_card"),
        CheckConstraint("tickets_per_address > 0", name="tickets_per_address"),
        CheckConstraint("away_pay_seconds > 0", name="away_pay_seconds"),
        Index("events_by_date", "starts_at", "id", postgresql_where=text("status = 'published'")),
        Index("events_by_venue", "venue_id"),
    )

    id: Mapped[BigKey]
    organiser_id: Mapped[Big] = mapped_column(ForeignKey("organisers.id"))
    venue_id: Mapped[int] = mapped_column(ForeignKey("venues.id"))
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str]
    starts_at: Mapped[datetime]
    on_sale_at: Mapped[datetime]
    currency: Mapped[str]
    tickets_per_buyer: Mapped[int]
    status: Mapped[str]
    created_at: Mapped[datetime]
    genre: Mapped[str] = mapped_column(server_default="")
    sold_out: Mapped[bool] = mapped_column(server_default=text("false"))
    price_terms: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    tickets_per_card: Mapped[int | None]
    away_pay_seconds: Mapped[int] = mapped_column(server_default=text("1800"))
    tickets_per_address: Mapped[int | None]
    code_only_section_ids: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))


class EventArtist(Base):
    """Who plays at an event, in the order of the poster."""

    __tablename__ = "event_artists"
    __table_args__ = (Index("event_artists_by_artist", "artist_id"),)

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    artist_id: Mapped[BigKey] = mapped_column(ForeignKey("artists.id"))
    position: Mapped[int]


class Section(Base):
    """A block of an event."""

    __tablename__ = "sections"
    __table_args__ = (
        CheckConstraint("kind IN ('seated', 'general')", name="kind"),
        CheckConstraint(
            "tiers = '[]' OR CAST(tiers -> 0 ->> 'price_minor' AS bigint) = price_minor",
            name="tiers",
        ),
    )

    event_id: Mapped[BigKey] = mapped_column(ForeignKey("events.id"))
    id: Mapped[Key]
    name: Mapped[str]
    kind: Mapped[str]
    price_minor: Mapped[Big]
    capacity: Mapped[int]
    map_x: Mapped[int]
    map_y: Mapped[int]
    map_w: Mapped[int]
    map_h: Mapped[int]
    tiers: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))


class PriceChange(Base):
    """A section's price that was changed, or a tier's of it; written by a trigger, append-only."""

    __tablename__ = "price_changes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "section_id"], ["sections.event_id", "sections.id"], name="fk_price_changes_section"
        ),
        Index("price_changes_by_section", "event_id", "section_id", "id"),
    )

    id: Mapped[BigKey]
    event_id: Mapped[Big]
    section_id: Mapped[int]
    was_minor: Mapped[int | None] = mapped_column(BigInteger)
    now_minor: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime]
    xid: Mapped[str] = mapped_column(Xid8)
    tier: Mapped[str | None]


class ScheduledPrice(Base):
    """A price that will be another one at a time; live until applied or cancelled."""

    __tablename__ = "scheduled_prices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "section_id"], ["sections.event_id", "sections.id"], name="fk_scheduled_prices_section"
        ),
        CheckConstraint(
            "(outcome IS NULL) = (ended_at IS NULL) AND outcome IN ('applied', 'cancelled', 'not_sold')",
            name="outcome",
        ),
        Index(
            "scheduled_price_index",
            "event_id",
            "section_id",
            text("coalesce(tier, '')"),
            "due_at",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("scheduled_prices_of_event", "event_id", "due_at", postgresql_where=text("ended_at IS NULL")),
        Index("scheduled_prices_due", "due_at", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[BigKey]
    event_id: Mapped[Big]
    section_id: Mapped[int]
    tier: Mapped[str | None]
    price_minor: Mapped[Big]
    due_at: Mapped[datetime]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class SectionChanges(Base):
    """How often what is free in a section has changed."""

    __tablename__ = "section_changes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["event_id", "section_id"],
            ["sections.event_id", "sections.id"],
            name="fk_section_changes_section",
            ondelete="CASCADE",
        ),
    )

    event_id: Mapped[BigKey]
    section_id: Mapped[Key]
    changes: Mapped[Big]


class Ticket(Base):
    """One thing that is sold: a seat, or one unit of general admission."""

    __tablename__ = "tickets"
    __table_args__ = (
        UniqueConstraint("event_id", "section_id", "row_number", "seat_number", name="uq_tickets_place"),
        ForeignKeyConstraint(
            ["event_id", "section_id"], ["sections.event_id", "sections.id"], name="fk_tickets_section"
        ),
        CheckConstraint("(state = 'free') = (booking_id IS NULL)", name="free_has_no_booking"),
    )

    event_id: Mapped[BigKey]
    id: Mapped[BigKey]
    section_id: Mapped[int]
    row_number: Mapped[int | None]
    row_name: Mapped[str | None]
    seat_number: Mapped[int | None]
    seat_name: Mapped[str | None]
    state: Mapped[str]
    booking_id: Mapped[UUID | None]
    held_until: Mapped[datetime | None]
    version: Mapped[int]
