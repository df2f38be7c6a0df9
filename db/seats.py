"""The seat map of an event: where its tickets are and what they cost, the same until the organiser changes the house.

It fits a stadium of 65,000: it names runs of seats instead of seats. Which of them are free is `runs.marked_runs`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from onsale.db.ids import EventId, TicketId
from onsale.db.price_terms import terms_from_json
from onsale.db.runs import TicketRun, ticket_runs
from onsale.db.sections import SectionKind
from onsale.db.tiers import ShownTier, shown, tiers_from_json


@dataclass(frozen=True, slots=True)
class SeatRun:
    """`count` neighbouring seats of a row: ticket ids and seat numbers both count up by one from the first."""

    row_number: int
    row_name: str
    first_seat: int
    first_ticket: TicketId
    count: int


@dataclass(frozen=True, slots=True)
class SectionMap:
    """A section in the picture; `total_minor` and `each_minor` as in `catalogue.Section`. `runs` is in ticket order and
    empty for general admission, whose tickets are `first_ticket` and the `capacity - 1` after it."""

    id: int
    name: str
    kind: SectionKind
    price_minor: int
    capacity: int
    first_ticket: TicketId | None
    map_x: int
    map_y: int
    map_w: int
    map_h: int
    total_minor: int
    each_minor: int
    runs: tuple[SeatRun, ...]
    tiers: tuple[ShownTier, ...] = ()


@dataclass(frozen=True, slots=True)
class SeatMap:
    """The house of an event; `version` changes when the map does (an ETag)."""

    event_id: EventId
    version: str
    currency: str
    sections: tuple[SectionMap, ...]


def seat_map(connection: Connection, event_id: EventId) -> SeatMap | None:
    """The seat map; None when there is no such event."""
    rows = connection.execute(_SECTIONS, {"event_id": event_id}).all()
    if not rows:
        return None
    terms = terms_from_json(rows[0].price_terms)
    by_section: dict[int, list[TicketRun]] = defaultdict(list)
    for run in ticket_runs(connection, event_id):
        by_section[run.section_id].append(run)
    sections = tuple(
        SectionMap(
            id=row.id,
            name=row.name,
            kind=SectionKind(row.kind),
            price_minor=row.price_minor,
            capacity=row.capacity,
            first_ticket=min((run.first_ticket for run in by_section[row.id]), default=None),
            map_x=row.map_x,
            map_y=row.map_y,
            map_w=row.map_w,
            map_h=row.map_h,
            total_minor=terms.alone(row.price_minor).total_minor,
            each_minor=terms.of_ticket(row.price_minor).total_minor,
            runs=tuple(_seat_run(run) for run in by_section[row.id] if row.kind == SectionKind.SEATED),
            tiers=shown(tiers_from_json(row.tiers), terms),
        )
        for row in rows
        if row.id is not None
    )
    return SeatMap(event_id, _version(sections), rows[0].currency, sections)


def without(house: SeatMap, shut: Collection[int]) -> SeatMap:
    """The house as somebody sees it for whom these sections are not on sale."""
    if not shut:
        return house
    sections = tuple(each for each in house.sections if each.id not in shut)
    return replace(house, version=_version(sections), sections=sections)


def _seat_run(run: TicketRun) -> SeatRun:
    return SeatRun(run.row_number, run.row_name or "", run.first_seat, run.first_ticket, len(run.states))


def _version(sections: tuple[object, ...]) -> str:
    """A digest of what is shown, and so of the prices, names and places: equal only when nothing has changed."""
    return hashlib.blake2b(repr(sections).encode(), digest_size=12).hexdigest()


_SECTIONS = text("""
    SELECT e.currency, e.price_terms,
           s.id, s.name, s.kind, s.price_minor, s.capacity, s.map_x, s.map_y, s.map_w, s.map_h, s.tiers
      FROM events e LEFT JOIN sections s ON s.event_id = e.id
     WHERE e.id = :event_id ORDER BY s.id
""")
