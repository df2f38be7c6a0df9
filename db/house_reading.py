"""What a lane reads of the house before it decides a batch: sections it lacks, tickets that wishes name, codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from onsale.db import code_uses
from onsale.db.allocation import NamedTicket
from onsale.db.house import House, Run, SectionIndex
from onsale.db.ids import EventId, TicketId
from onsale.db.lane import Batch
from onsale.db.prices import charge_bounds
from onsale.db.runs import ticket_runs
from onsale.db.tiers import tiers_from_text
from onsale.db.wishes import sections_needed
from onsale.db.wishes import tickets_named as named_by


def is_prepared(house: House, batch: Batch) -> bool:
    """Whether `house` knows all that this batch needs, so that `prepare_house` would ask the record for nothing."""
    if batch.price_is_due or any(request.code_ids for request in batch.requests) or any(named_by(batch.wishes)):
        return False
    needed = sections_needed(batch.wishes)
    return not house.missing(batch.changes if needed is None else needed, batch.changes)


def prepare_house(
    connection: Connection, event_id: EventId, house: House, batch: Batch
) -> Mapping[TicketId, NamedTicket]:
    """Read what this batch needs and `house` lacks; returns the tickets its wishes name. Then `allocate` can decide."""
    house.terms = batch.terms
    house.bounds = charge_bounds(batch.currency)
    house.codes = code_uses.book(
        connection, event_id, batch.requests, code_only=batch.code_only, currency=batch.currency
    )
    needed = sections_needed(batch.wishes)
    # What is here and not needed may be older than the record, and must not meet a wish.
    house.forget(house.missing(tuple(house.sections), batch.changes))
    missing = house.missing(batch.changes if needed is None else needed, batch.changes)
    if missing:
        house.put(section_index(connection, event_id, missing))
    return tickets_named(connection, event_id, named_by(batch.wishes))


def tickets_named(connection: Connection, event_id: EventId, ids: Iterable[TicketId]) -> Mapping[TicketId, NamedTicket]:
    """Those of the tickets that exist, as they stand."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = connection.execute(_TICKETS_NAMED, {"event_id": event_id, "ids": wanted})
    return {row.id: NamedTicket(*_with_tiers(row)) for row in rows}


def section_index(
    connection: Connection, event_id: EventId, section_ids: Iterable[int] | None = None
) -> tuple[SectionIndex, ...]:
    """The free tickets of these sections (None: of all), in the organiser's order.

    The counters are read first: whoever moves one in between makes the section look old, never new.
    """
    wanted = None if section_ids is None else list(section_ids)
    sections = connection.execute(_SECTIONS, {"event_id": event_id, "section_ids": wanted}).all()
    runs: dict[int, list[Run]] = {}
    for run in ticket_runs(connection, event_id, [section.id for section in sections]):
        runs.setdefault(run.section_id, []).append(run.as_free())
    return tuple(
        SectionIndex.of_runs(
            one.id,
            runs.get(one.id, ()),
            price_minor=one.price_minor,
            changes=one.changes,
            general=one.general,
            tiers=tiers_from_text(one.tiers),
        )
        for one in sections
    )


def _with_tiers(row: Row[Any]) -> list[Any]:
    """The fields of a row, whose last one is its section's tiers."""
    return [*row[:-1], tiers_from_text(row[-1])]


_TICKETS_NAMED = text("""
    SELECT t.id, t.section_id, coalesce(t.row_number, 0), coalesce(t.seat_number, 0), s.price_minor, t.state = 'free',
           CASE WHEN s.tiers <> '[]' THEN CAST(s.tiers AS text) END AS tiers
      FROM tickets t JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
     WHERE t.event_id = :event_id AND t.id = ANY (CAST(:ids AS bigint[]))
""")
_SECTIONS = text("""
    SELECT s.id, s.price_minor, s.kind = 'general' AS general, c.changes,
           CASE WHEN s.tiers <> '[]' THEN CAST(s.tiers AS text) END AS tiers
      FROM sections s JOIN section_changes c ON c.event_id = s.event_id AND c.section_id = s.id
     WHERE s.event_id = :event_id
       AND (CAST(:section_ids AS integer[]) IS NULL OR s.id = ANY (CAST(:section_ids AS integer[])))
     ORDER BY s.id
""")
