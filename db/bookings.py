"""Bookings: accepting a request once, reading what became of it.

A booking id carries its event, so an id alone finds the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, TextClause, text

from onsale.db import sql
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId, event_of_booking
from onsale.db.price_terms import NO_TERMS, NOTHING, Bill, PriceTerms, terms_from_json
from onsale.db.states import NEW, BookingState
from onsale.db.wishes import Wish, wish_from_json
from onsale.errors import AdmissionSpent, BuyerLimitReached, IdempotencyKeyReused, NotFound

PAGE_MAX = 100
# What stood in the way may go away between two looks; somebody who is that unlucky three times is told to try again.
ACCEPT_TRIES_MAX = 3


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A request for tickets. `state` is WAITING (hands-free, before its turn) or QUEUED.

    `admission_id` is None only where the queue is switched off. `request_hash` is SHA-256 of route and body.
    """

    id: BookingId
    event_id: EventId
    buyer_id: BuyerId
    number: int
    state: BookingState
    wishes: tuple[Wish, ...]
    idempotency_key: str
    request_hash: bytes
    return_number: int | None = None
    admission_id: str | None = None
    payment_method: str | None = field(default=None, repr=False)
    # Kept only where the event limits the tickets per network address.
    address_digest: bytes | None = field(default=None, repr=False)
    code_ids: tuple[int, ...] = ()

    @property
    def tickets_wanted(self) -> int:
        """The most that any of its wishes asks for; this counts against the limit per buyer until it is decided."""
        return max(wish.size for wish in self.wishes)


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it stands. Times are aware UTC; `amount_minor` is None until tickets are held.

    It is the whole of what is charged, with `fees_minor` and `taxes_minor` by the `terms` that held then.
    """

    id: BookingId
    event_id: EventId
    buyer_id: BuyerId
    number: int
    return_number: int | None
    state: BookingState
    version: int
    wishes: tuple[Wish, ...]
    payment_method: str | None = field(repr=False)
    tickets_wanted: int
    tickets_taken: int
    amount_minor: int | None
    currency: str
    admission_id: str | None
    idempotency_key: str = field(repr=False)
    request_hash: bytes = field(repr=False)
    hold_version: int | None
    hold_until: datetime | None
    hold_extensions: int
    voiding: bool
    reason: str | None
    created_at: datetime
    queued_at: datetime | None
    decided_at: datetime | None
    ended_at: datetime | None
    fees_minor: int = 0
    taxes_minor: int = 0
    terms: PriceTerms = NO_TERMS
    code_ids: tuple[int, ...] = ()

    @property
    def bill(self) -> Bill | None:
        """What is charged, by its parts; None until tickets are held."""
        if self.amount_minor is None:
            return None
        on_top = 0 if self.terms.tax_included else self.taxes_minor
        tickets = self.amount_minor - self.fees_minor - on_top
        return Bill(tickets, self.fees_minor, self.taxes_minor, self.amount_minor)

    @property
    def booking_fee(self) -> Bill:
        """The line of it that is no ticket's."""
        return self.terms.booking_fee() if self.amount_minor else NOTHING


@dataclass(frozen=True, slots=True)
class Accepted:
    """The booking, and whether this call made it (False: the same request came before)."""

    booking: Booking
    created: bool


@dataclass(frozen=True, slots=True)
class BookedTicket:
    """A ticket a booking has, or had (`released_at` set), at the price of the hold."""

    ticket_id: TicketId
    section_id: int
    section_name: str
    row_name: str | None
    seat_name: str | None
    price_minor: int
    released_at: datetime | None
    # What it was sold as, where its section had tiers.
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One line of a booking's history; `from_state` is None for the first."""

    version: int
    from_state: BookingState | None
    to_state: BookingState
    at: datetime
    reason: str | None


def accept(connection: Connection, new: NewBooking) -> Accepted:
    """Store the request, once per (event, buyer, idempotency key); safe to run twice and in parallel.

    NotFound: no such published event. IdempotencyKeyReused: the key came with another request_hash. AdmissionSpent:
    the admission has a booking that is undecided or was given a hold. BuyerLimitReached: with the buyer's live
    bookings it would pass the event's limit. (Two parallel posts of one buyer may both pass that here. The lane,
    which is serial per event, counts again before it gives tickets, and is the guard that holds.)
    """
    for _ in range(ACCEPT_TRIES_MAX):
        row = connection.execute(sql.load("accept_booking"), _columns(new)).one_or_none()
        if row is not None:
            return Accepted(booking_of(row), created=True)
        before = by_key(connection, new.event_id, new.buyer_id, new.idempotency_key)
        if before is not None:
            if before.request_hash != new.request_hash:
                raise IdempotencyKeyReused
            return Accepted(before, created=False)
        why = connection.execute(
            sql.load("why_not_accepted"),
            {"event_id": new.event_id, "id": new.id, "admission_id": new.admission_id},
        ).one()
        if not why.on_sale:
            raise NotFound
        if why.admission_spent:
            raise AdmissionSpent
        if not why.id_taken:
            raise BuyerLimitReached
    raise AdmissionSpent


def is_spent(connection: Connection, event_id: EventId, admission_id: str) -> bool:
    """Whether this admission has a booking that is undecided or was given a hold."""
    return bool(connection.execute(_IS_SPENT, {"event_id": event_id, "admission_id": admission_id}).scalar_one())


def get(connection: Connection, booking_id: BookingId) -> Booking | None:
    """The booking; None when there is none."""
    return _one(connection, _GET, booking_id)


def get_for_update(connection: Connection, booking_id: BookingId) -> Booking | None:
    """The booking, locked until the transaction ends, as the last committed transaction left it."""
    return _one(connection, _GET_FOR_UPDATE, booking_id)


def by_key(connection: Connection, event_id: EventId, buyer_id: BuyerId, idempotency_key: str) -> Booking | None:
    """The booking this buyer made with this key: for answering a repeat before anything else is checked."""
    arguments = {"event_id": event_id, "buyer_id": buyer_id, "idempotency_key": idempotency_key}
    row = connection.execute(_BY_KEY, arguments).one_or_none()
    return booking_of(row) if row else None


def of_buyer(
    connection: Connection, buyer_id: BuyerId, *, limit: int = 50, before: datetime | None = None
) -> tuple[Booking, ...]:
    """The buyer's bookings over all events, newest first; `before` is the last one's created_at of the page before."""
    arguments = {"buyer_id": buyer_id, "limit": min(limit, PAGE_MAX), "before": before}
    return tuple(booking_of(row) for row in connection.execute(_OF_BUYER, arguments))


def live_of_buyer(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> tuple[Booking, ...]:
    """The buyer's undecided and holding bookings of an event, newest first."""
    rows = connection.execute(_LIVE_OF_BUYER, {"event_id": event_id, "buyer_id": buyer_id})
    return tuple(booking_of(row) for row in rows)


def tickets_of(connection: Connection, booking_id: BookingId) -> tuple[BookedTicket, ...]:
    """The tickets a booking has, or had; in the order of the house."""
    rows = connection.execute(_TICKETS_OF, {"event_id": event_of_booking(booking_id), "id": booking_id})
    return tuple(BookedTicket(*row) for row in rows)


def history(connection: Connection, booking_id: BookingId) -> tuple[Move, ...]:
    """Every move of the booking, oldest first."""
    rows = connection.execute(_HISTORY, {"event_id": event_of_booking(booking_id), "id": booking_id})
    return tuple(
        Move(
            row.version,
            None if row.from_state == NEW else BookingState(row.from_state),
            BookingState(row.to_state),
            row.at,
            row.reason,
        )
        for row in rows
    )


def of_intent(connection: Connection, intent_id: str) -> BookingId | None:
    """The booking a payment intent belongs to."""
    found: BookingId | None = connection.execute(_OF_INTENT, {"intent_id": intent_id}).scalar()
    return found


def cancel_undecided(connection: Connection, booking_id: BookingId, *, reason: str) -> bool:
    """waiting or queued -> cancelled; False when it is neither any more.

    A lane that has read it already notices and redoes its batch.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "reason": reason}
    return connection.execute(_CANCEL_UNDECIDED, arguments).rowcount == 1


def booking_of(row: Row[Any]) -> Booking:
    """A booking from a row that has all columns of the table."""
    return Booking(
        id=row.id,
        event_id=row.event_id,
        buyer_id=row.buyer_id,
        number=row.number,
        return_number=row.return_number,
        state=BookingState(row.state),
        version=row.version,
        wishes=tuple(wish_from_json(wish) for wish in row.wishes),
        payment_method=row.payment_method,
        tickets_wanted=row.tickets_wanted,
        tickets_taken=row.tickets_taken,
        amount_minor=row.amount_minor,
        currency=row.currency,
        admission_id=row.admission_id,
        idempotency_key=row.idempotency_key,
        request_hash=bytes(row.request_hash),
        hold_version=row.hold_version,
        hold_until=row.hold_until,
        hold_extensions=row.hold_extensions,
        voiding=row.voiding,
        reason=row.reason,
        created_at=row.created_at,
        queued_at=row.queued_at,
        decided_at=row.decided_at,
        ended_at=row.ended_at,
        fees_minor=row.fees_minor,
        taxes_minor=row.taxes_minor,
        terms=terms_from_json(row.price_terms),
        code_ids=tuple(row.code_ids or ()),
    )


def _one(connection: Connection, statement: TextClause, booking_id: BookingId) -> Booking | None:
    row = connection.execute(statement, {"event_id": event_of_booking(booking_id), "id": booking_id}).one_or_none()
    return booking_of(row) if row else None


def _columns(new: NewBooking) -> dict[str, object]:
    return {
        "id": new.id,
        "event_id": new.event_id,
        "buyer_id": new.buyer_id,
        "number": new.number,
        "return_number": new.return_number,
        "state": new.state.value,
        "wishes": orjson.dumps([wish.as_json() for wish in new.wishes]).decode(),
        "payment_method": new.payment_method,
        "tickets_wanted": new.tickets_wanted,
        "admission_id": new.admission_id,
        "idempotency_key": new.idempotency_key,
        "request_hash": new.request_hash,
        "address_digest": new.address_digest,
        "code_ids": list(new.code_ids) or None,
    }


_IS_SPENT = text("""
    SELECT EXISTS (SELECT FROM bookings
                    WHERE event_id = :event_id AND admission_id = :admission_id
                      AND (hold_version IS NOT NULL OR state IN ('waiting', 'queued')))
""")
_GET = text("SELECT * FROM bookings WHERE event_id = :event_id AND id = :id")
_GET_FOR_UPDATE = text("SELECT * FROM bookings WHERE event_id = :event_id AND id = :id FOR UPDATE")
_BY_KEY = text("""
    SELECT * FROM bookings
     WHERE event_id = :event_id AND buyer_id = :buyer_id AND idempotency_key = :idempotency_key
""")
_OF_BUYER = text("""
    SELECT * FROM bookings
     WHERE buyer_id = :buyer_id AND created_at < coalesce(CAST(:before AS timestamptz), 'infinity')
     ORDER BY created_at DESC LIMIT :limit
""")
_LIVE_OF_BUYER = text("""
    SELECT * FROM bookings
     WHERE event_id = :event_id AND buyer_id = :buyer_id
       AND state IN ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised')
     ORDER BY created_at DESC
""")
_TICKETS_OF = text("""
    SELECT bt.ticket_id, t.section_id, s.name, t.row_name, t.seat_name, bt.price_minor, bt.released_at, bt.tier
      FROM booking_tickets bt
      JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
      JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
     WHERE bt.event_id = :event_id AND bt.booking_id = :id
     ORDER BY bt.ticket_id
""")
_HISTORY = text("""
    SELECT * FROM booking_history WHERE event_id = :event_id AND booking_id = :id ORDER BY version
""")
_OF_INTENT = text("SELECT booking_id FROM payments WHERE intent_id = :intent_id")
_CANCEL_UNDECIDED = text("""
    UPDATE bookings SET state = 'cancelled', version = version + 1, reason = :reason, ended_at = clock_timestamp()
     WHERE event_id = :event_id AND id = :id AND state IN ('waiting', 'queued')
""")
