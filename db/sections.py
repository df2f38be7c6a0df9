"""Sections of an event as they are on sale: what a ticket of each costs in full, by its tiers, now and later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, text

from onsale.db import tiers
from onsale.db.ids import EventId
from onsale.db.price_terms import PriceTerms
from onsale.db.tiers import ShownTier, tiers_from_json


class SectionKind(StrEnum):
    """Numbered seats, or places without a number; each unit of both is a ticket of its own."""

    SEATED = "seated"
    GENERAL = "general"


@dataclass(frozen=True, slots=True)
class PriceAhead:
    """What a ticket will cost from a moment on, booked alone; `tier` None: where there are none."""

    due_at: datetime
    tier: str | None
    price_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class Section:
    """A block of an event, as on sale: a ticket of it costs `total_minor` booked alone, with all fees and taxes, and
    adds `each_minor` to a booking that has others. With `tiers` that is the first of them. `ahead`: soonest first.
    """

    id: int
    name: str
    kind: SectionKind
    price_minor: int
    capacity: int
    map_x: int
    map_y: int
    map_w: int
    map_h: int
    total_minor: int
    each_minor: int
    tiers: tuple[ShownTier, ...] = ()
    ahead: tuple[PriceAhead, ...] = ()

    @property
    def totals_minor(self) -> tuple[int, ...]:
        """What a ticket may cost, booked alone."""
        return tuple(tier.total_minor for tier in self.tiers) or (self.total_minor,)


def of_event(connection: Connection, event_id: EventId, terms: PriceTerms) -> tuple[Section, ...]:
    """The sections of an event, in the organiser's order."""
    rows = connection.execute(_SECTIONS, {"event_id": event_id})
    return tuple(_section(row, terms) for row in rows)


def _section(row: Row[Any], terms: PriceTerms) -> Section:
    return Section(
        **{
            **row._mapping,
            "kind": SectionKind(row.kind),
            "tiers": tiers.shown(tiers_from_json(row.tiers), terms),
            "ahead": tuple(_ahead(each, terms) for each in row.ahead or ()),
        },
        total_minor=terms.alone(row.price_minor).total_minor,
        each_minor=terms.of_ticket(row.price_minor).total_minor,
    )


def _ahead(fields: Sequence[Any], terms: PriceTerms) -> PriceAhead:
    due_at, tier, price_minor = fields
    moment = datetime.fromisoformat(due_at).astimezone(UTC)
    return PriceAhead(moment, tier, price_minor, terms.alone(price_minor).total_minor)


_SECTIONS = text("""
    SELECT s.id, s.name, s.kind, s.price_minor, s.capacity, s.map_x, s.map_y, s.map_w, s.map_h, s.tiers,
           (SELECT json_agg(json_build_array(p.due_at, p.tier, p.price_minor) ORDER BY p.due_at, p.id)
              FROM scheduled_prices p
             WHERE p.event_id = s.event_id AND p.section_id = s.id AND p.ended_at IS NULL) AS ahead
      FROM sections s WHERE s.event_id = :event_id ORDER BY s.id
""")
