"""A ticket by itself: where it is, what it costs, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import EVENT_ID_MAX, EventId, TicketId, event_of_ticket
from onsale.db.price_terms import Bill, terms_from_json
from onsale.db.tiers import ShownTier, shown, tiers_from_json


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket as it stands; `row_name` and `seat_name` are None for general admission. `state`: free, held or
    sold. `bill`: what it costs booked alone, of the first tier where its section has any.
    """

    id: TicketId
    event_id: EventId
    event_name: str
    starts_at: datetime
    artists: tuple[str, ...]
    section_id: int
    section_name: str
    row_name: str | None
    seat_name: str | None
    price_minor: int
    currency: str
    state: str
    bill: Bill
    tiers: tuple[ShownTier, ...] = ()


def by_id(connection: Connection, ticket_id: TicketId) -> Ticket | None:
    """A ticket of a published event; None when there is none."""
    event_id = event_of_ticket(ticket_id)
    if not 0 < event_id <= EVENT_ID_MAX:
        return None
    row = connection.execute(_TICKET, {"event_id": event_id, "id": ticket_id}).one_or_none()
    if row is None:
        return None
    columns = dict(row._mapping)
    terms = terms_from_json(columns.pop("price_terms"))
    columns |= {"artists": tuple(row.artists), "tiers": shown(tiers_from_json(row.tiers), terms)}
    return Ticket(**columns, bill=terms.alone(row.price_minor))


_TICKET = text("""
    SELECT t.id, t.event_id, e.name AS event_name, e.starts_at, e.artists, t.section_id, s.name AS section_name,
           t.row_name, t.seat_name, s.price_minor, e.currency, t.state,
           e.price_terms, s.tiers
      FROM tickets t
      JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
      JOIN event_pages e ON e.id = t.event_id
     WHERE t.event_id = :event_id AND t.id = :id AND e.status = 'published'
""")
