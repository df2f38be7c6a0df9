"""Bookings: accepting a request once, reading what became of it.

A booking id carries its event, so an id alone finds the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from onsale.db.allocation import Wish
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId
from onsale.db.states import BookingState

PAGE_MAX = 100


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

    @property
    def tickets_wanted(self) -> int:
        """The most that any of its wishes asks for; this counts against the limit per buyer until it is decided."""
        return max(wish.size for wish in self.wishes)


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it stands. Times are aware UTC; `amount_minor` is None until tickets are held."""

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

    NotFound: no such published event. IdempotencyKeyReused: the key came with another request_hash. AdmissionSpent: the
    admission has a booking that is undecided or was given a hold. BuyerLimitReached: with the buyer's live bookings it would
    pass the event's limit (parallel posts of one buyer may both pass here; the lane, which is serial, is the guard that holds).
    """
    raise NotImplementedError


def get(connection: Connection, booking_id: BookingId) -> Booking | None:
    """The booking; None when there is none."""
    raise NotImplementedError


def get_for_update(connection: Connection, booking_id: BookingId) -> Booking | None:
    """The booking, locked until the transaction ends, as the last committed transaction left it."""
    raise NotImplementedError


def by_key(connection: Connection, event_id: EventId, buyer_id: BuyerId, idempotency_key: str) -> Booking | None:
    """The booking this buyer made with this key: for answering a repeat before anything else is checked."""
    raise NotImplementedError


def of_buyer(
    connection: Connection, buyer_id: BuyerId, *, limit: int = 50, before: datetime | None = None
) -> tuple[Booking, ...]:
    """The buyer's bookings over all events, newest first; `before` is the last one's created_at of the page before."""
    raise NotImplementedError


def live_of_buyer(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> tuple[Booking, ...]:
    """The buyer's undecided and holding bookings of an event, newest first."""
    raise NotImplementedError


def tickets_of(connection: Connection, booking_id: BookingId) -> tuple[BookedTicket, ...]:
    """The tickets a booking has, or had; in the order of the house."""
    raise NotImplementedError


def history(connection: Connection, booking_id: BookingId) -> tuple[Move, ...]:
    """Every move of the booking, oldest first."""
    raise NotImplementedError


def of_intent(connection: Connection, intent_id: str) -> BookingId | None:
    """The booking a payment intent belongs to."""
    raise NotImplementedError


def cancel_undecided(connection: Connection, booking_id: BookingId, *, reason: str) -> bool:
    """waiting or queued -> cancelled; False when it is neither any more. A lane that has read it notices and redoes its batch."""
    raise NotImplementedError
