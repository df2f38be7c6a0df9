"""What the record says of an event, read in one statement: bookings, tickets, cards, captures, histories."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from onsale.db.ids import BookingId, EventId, TicketId
from onsale.db.states import HOLDING, SOLD, BookingState


@dataclass(frozen=True)
class SeenBooking:
    """A booking. `left_seconds` to its deadline; `tickets` and `paid_minor` of its live rows; `moves` as (from, to)."""

    id: BookingId
    buyer: UUID
    key: str
    state: BookingState
    version: int
    voiding: bool
    taken: int
    amount_minor: int | None
    left_seconds: float | None
    extensions: int
    tickets: tuple[TicketId, ...]
    price_minor: int
    captures: tuple[int, ...]
    attempts: tuple[tuple[str, str], ...]
    moves: tuple[tuple[str, str], ...]
    settled: bool | None

    @property
    def live(self) -> bool:
        """It has tickets out of sale."""
        return self.state in HOLDING | SOLD


@dataclass(frozen=True)
class SeenTicket:
    """A ticket, and whose it is."""

    state: str
    booking: BookingId | None
    left_seconds: float | None


@dataclass(frozen=True)
class Seen:
    """The whole event. `sales`: the live rows of booking_tickets, as (ticket, booking)."""

    bookings: dict[BookingId, SeenBooking]
    tickets: dict[TicketId, SeenTicket]
    sales: tuple[tuple[TicketId, BookingId], ...]


def look(connection: Connection, event_id: EventId) -> Seen:
    """The event as it stands."""
    bookings, tickets, sales = connection.execute(_LOOK, {"event_id": event_id}).one()
    live = tuple((TicketId(ticket), BookingId(UUID(booking))) for ticket, booking in sales or ())
    return Seen(
        bookings={one.id: one for one in (_booking(fields, live) for fields in bookings or ())},
        tickets={
            TicketId(ticket): SeenTicket(state, BookingId(UUID(booking)) if booking else None, left)
            for ticket, state, booking, left in tickets
        },
        sales=live,
    )


def _booking(fields: list, live: tuple[tuple[TicketId, BookingId], ...]) -> SeenBooking:
    id_, buyer, key, state, version, voiding, taken, amount, left, extended, price, captures, cards, moves, settled = (
        fields
    )
    booking_id = BookingId(UUID(id_))
    return SeenBooking(
        id=booking_id,
        buyer=UUID(buyer),
        key=key,
        state=BookingState(state),
        version=version,
        voiding=voiding,
        taken=taken,
        amount_minor=amount,
        left_seconds=left,
        extensions=extended,
        tickets=tuple(sorted(ticket for ticket, owner in live if owner == booking_id)),
        price_minor=price or 0,
        captures=tuple(captures or ()),
        attempts=tuple((card, outcome) for card, outcome in cards or ()),
        moves=tuple((before, after) for before, after in moves or ()),
        settled=settled,
    )


_LOOK = text("""
    SELECT (SELECT json_agg(json_build_array(
                b.id, b.buyer_id, b.idempotency_key, b.state, b.version, b.voiding, b.tickets_taken, b.amount_minor,
                extract(epoch FROM b.hold_until - clock_timestamp()), b.hold_extensions,
                (SELECT sum(bt.price_minor) FROM booking_tickets bt
                  WHERE bt.event_id = b.event_id AND bt.booking_id = b.id),
                (SELECT json_agg(c.amount_minor) FROM captures c
                  WHERE c.event_id = b.event_id AND c.booking_id = b.id),
                (SELECT json_agg(json_build_array(a.payment_method, a.outcome) ORDER BY a.attempt)
                   FROM payment_attempts a WHERE a.event_id = b.event_id AND a.booking_id = b.id),
                (SELECT json_agg(json_build_array(h.from_state, h.to_state) ORDER BY h.version)
                   FROM booking_history h WHERE h.event_id = b.event_id AND h.booking_id = b.id),
                (SELECT p.settled FROM payments p WHERE p.event_id = b.event_id AND p.booking_id = b.id)))
              FROM bookings b WHERE b.event_id = :event_id),
           (SELECT json_agg(json_build_array(t.id, t.state, t.booking_id,
                                             extract(epoch FROM t.held_until - clock_timestamp())))
              FROM tickets t WHERE t.event_id = :event_id),
           (SELECT json_agg(json_build_array(bt.ticket_id, bt.booking_id))
              FROM booking_tickets bt WHERE bt.event_id = :event_id AND bt.released_at IS NULL)
""")
