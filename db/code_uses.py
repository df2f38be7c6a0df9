"""How a lane reads the codes of its batch, and writes which of them its holds use; a batch without codes asks nothing.

Safe under the lane's lock: an event's codes are used by its lane alone. Uses end when their booking has no tickets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from onsale.db import sql
from onsale.db.allocation import Decision, Request
from onsale.db.code_book import NO_CODES, CodeBook
from onsale.db.code_rules import Code, CodeKind
from onsale.db.ids import BookingId, BuyerId, EventId, event_of_booking
from onsale.db.prices import charge_unit_minor


@dataclass(frozen=True, slots=True)
class UsedCode:
    """A code on a booking's bill, and what it took off the tickets' prices."""

    code: str
    kind: CodeKind
    discount_minor: int


def book(
    connection: Connection, event_id: EventId, requests: Sequence[Request], *, code_only: frozenset[int], currency: str
) -> CodeBook:
    """What deciding these requests needs to know of codes. Read after the lane's lock is taken, or it is too old."""
    ids = sorted({code_id for request in requests for code_id in request.code_ids})
    if not ids:
        return CodeBook(code_only=code_only) if code_only else NO_CODES
    buyers = {str(request.buyer_id) for request in requests if request.code_ids}
    asked = {"event_id": event_id, "ids": ids, "buyers": sorted(buyers)}
    rows = connection.execute(sql.load("code_book"), asked).all()
    used_by = Counter({(row.id, BuyerId(UUID(who))): n for row in rows for who, n in (row.used_by or {}).items()})
    return CodeBook(
        codes={row.id: code_of(row) for row in rows},
        code_only=code_only,
        unit_minor=charge_unit_minor(currency),
        used=Counter({row.id: row.used for row in rows}),
        used_by=used_by,
    )


def write(connection: Connection, event_id: EventId, decisions: Sequence[Decision]) -> frozenset[BookingId]:
    """Write the uses of a batch whose holds are written. Returns the bookings for whose codes there is no room: then
    nothing of the batch may be committed.
    """
    used = [(decision.booking_id, use) for decision in decisions for use in decision.codes]
    if not used:
        return frozenset()
    cheaper = [
        (decision.booking_id, ticket.ticket_id, discount)
        for decision in decisions
        for ticket, discount in zip(decision.tickets, decision.discounts, strict=False)
        if discount
    ]
    arguments = {
        "event_id": event_id,
        "bookings": [str(booking_id) for booking_id, _ in used],
        "codes": [use.code_id for _, use in used],
        "taken_off": [use.discount_minor for _, use in used],
        "ticket_bookings": [str(booking_id) for booking_id, _, _ in cheaper],
        "tickets": [int(ticket_id) for _, ticket_id, _ in cheaper],
        "discounts": [discount for _, _, discount in cheaper],
    }
    rows = connection.execute(sql.load("use_codes"), arguments).scalars()
    return frozenset(BookingId(UUID(booking_id)) for booking_id in rows)


def of_booking(connection: Connection, booking_id: BookingId) -> tuple[UsedCode, ...]:
    """The codes that a booking's hold used, in the order they were made."""
    rows = connection.execute(_OF_BOOKING, {"event_id": event_of_booking(booking_id), "id": booking_id})
    return tuple(UsedCode(code, CodeKind(kind), discount) for code, kind, discount in rows)


def code_of(row: Row[Any]) -> Code:
    """A code's rules from a row of its table."""
    return Code(
        id=row.id,
        kind=CodeKind(row.kind),
        amount_minor=row.amount_minor,
        percent_bp=row.percent_bp,
        section_ids=None if row.section_ids is None else frozenset(row.section_ids),
        stackable=row.stackable,
        uses_max=row.uses_max,
        uses_per_buyer=row.uses_per_buyer,
        off=row.off,
    )


_OF_BOOKING = text("""
    SELECT c.code, c.kind, u.discount_minor
      FROM code_uses u JOIN codes c ON c.event_id = u.event_id AND c.id = u.code_id
     WHERE u.event_id = :event_id AND u.booking_id = :id ORDER BY c.id
""")
