"""Holds: letting tickets go at their deadline, extending and cancelling, always by the hold's own version.

A hold nobody is paying for ends here. One with a payment under way first needs its intent cancelled: `begin_voiding` (which
excludes the commit), cancel at the provider, `end_voided`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from onsale.db.bookings import Booking
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId
from onsale.db.states import BookingState

EXTENSIONS_MAX = 10  # WCAG 2.2.1: at least ten times.
SWEEP_MAX = 500


@dataclass(frozen=True, slots=True)
class Released:
    """A booking that ended, and its tickets that are free again (with their new row version, for the ticket cache)."""

    booking_id: BookingId
    event_id: EventId
    buyer_id: BuyerId
    number: int
    return_number: int | None
    state: BookingState
    tickets: dict[TicketId, int]


@dataclass(frozen=True, slots=True)
class Overdue:
    """A hold past its deadline with a payment under way."""

    booking_id: BookingId
    intent_id: str | None
    overdue_seconds: float
    voiding: bool


@dataclass(frozen=True, slots=True)
class Extended:
    """The new deadline, and how many more times it may be moved."""

    hold_until: datetime
    extensions_left: int


def expire(connection: Connection, *, limit: int = SWEEP_MAX, event_id: EventId | None = None) -> tuple[Released, ...]:
    """held -> expired for holds past their deadline that nobody is paying for; tickets are free again. One statement."""
    raise NotImplementedError


def paying_past_deadline(connection: Connection, *, limit: int = SWEEP_MAX) -> tuple[Overdue, ...]:
    """Holds past their deadline while a payment is under way (authorising, requires_action, authorised), oldest first."""
    raise NotImplementedError


def begin_voiding(connection: Connection, booking_id: BookingId, *, reason: str) -> Booking | None:
    """Mark the booking so that it can no longer be committed; None when it is committed already or has ended.

    Also for a booking marked before (safe to run twice): the first reason stays.
    """
    raise NotImplementedError


def stop_voiding(connection: Connection, booking_id: BookingId) -> bool:
    """Take the mark off: the provider had the money already, so the booking is to be committed after all."""
    raise NotImplementedError


def end_voided(connection: Connection, booking_id: BookingId, *, state: BookingState) -> Released | None:
    """Its intent is cancelled (or the provider stayed away too long): end as `state` (EXPIRED, CANCELLED, PAYMENT_FAILED or
    FAILED) and free its tickets. None when it is not `voiding`, or has ended."""
    raise NotImplementedError


def cancel(connection: Connection, booking_id: BookingId, *, buyer_id: BuyerId) -> Released | None:
    """The buyer gives up: waiting, queued or held -> cancelled, tickets free. None when a payment is under way (then
    `begin_voiding`). IllegalMove when it is committed or has ended; NotFound when it is not this buyer's. Cancelled before: same answer, no tickets.
    """
    raise NotImplementedError


def extend(connection: Connection, booking_id: BookingId, *, buyer_id: BuyerId) -> Extended:
    """Move the deadline to pay_seconds from now. IllegalMove when nothing is held or it was moved EXTENSIONS_MAX times; HoldExpired
    when the deadline has passed; NotFound when it is not this buyer's."""
    raise NotImplementedError
