"""Holds: letting tickets go at their deadline, extending and cancelling, always by the hold's own version.

A hold nobody is paying for ends here. One with a payment under way first needs its intent cancelled: `begin_voiding`
(which excludes the commit), cancel at the provider, `end_voided`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db import sql
from onsale.db.bookings import Booking, booking_of, get_for_update
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId, event_of_booking
from onsale.db.states import HOLDING, UNDECIDED, BookingState
from onsale.errors import HoldExpired, IllegalMove, NotFound

EXTENSIONS_MAX = 10  # WCAG 2.2.1: at least ten times.
SWEEP_MAX = 500

EXPIRED_REASON = "deadline"
CLOSED_REASON = "closed"
CANCELLED_REASON = "buyer"


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
    """held -> expired for holds past their deadline that nobody is paying for; their tickets are free again."""
    due = connection.execute(_DUE, {"limit": limit, "event_id": event_id}).scalars().all()
    return _end(connection, due, state=BookingState.EXPIRED, reason=EXPIRED_REASON, before={BookingState.HELD})


def cancel_waiting_of_closed(connection: Connection, *, limit: int = SWEEP_MAX) -> tuple[Released, ...]:
    """waiting -> cancelled for hands-free bookings whose queue was closed before their turn."""
    due = connection.execute(_WAITING_OF_CLOSED, {"limit": limit}).scalars().all()
    return _end(connection, due, state=BookingState.CANCELLED, reason=CLOSED_REASON, before={BookingState.WAITING})


def cancel_unpaid_of(
    connection: Connection, event_id: EventId, *, reason: str, limit: int = SWEEP_MAX
) -> tuple[Released, ...]:
    """waiting, queued or held -> cancelled for an event that does not take place; tickets free. Not those that a card
    is being charged for.
    """
    due = connection.execute(_UNPAID_OF, {"event_id": event_id, "limit": limit}).scalars().all()
    return _end(connection, due, state=BookingState.CANCELLED, reason=reason, before=UNDECIDED | {BookingState.HELD})


def paying_past_deadline(connection: Connection, *, limit: int = SWEEP_MAX) -> tuple[Overdue, ...]:
    """Holds past their deadline while a payment is under way, or being voided; oldest first."""
    return tuple(Overdue(*row) for row in connection.execute(_OVERDUE, {"limit": limit}))


def begin_voiding(
    connection: Connection, booking_id: BookingId, *, reason: str, past_deadline: bool = False
) -> Booking | None:
    """Mark the booking so that it can no longer be committed; None when it is committed already or has ended, or if
    it is to be `past_deadline` and its buyer took more time meanwhile.

    Also for a booking marked before (safe to run twice): the first reason stays, unless it only let a card's money go.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "reason": reason}
    row = connection.execute(_BEGIN_VOIDING, {**arguments, "past_deadline": past_deadline}).one_or_none()
    return booking_of(row) if row else None


def begin_voiding_cancelled(connection: Connection, booking_id: BookingId, *, reason: str) -> bool:
    """Mark a booking whose intent the provider says is cancelled. False: committed, ended, or we cancelled it
    ourselves to let a card over its limit go, after which the hold goes on.

    In a transaction that has just written what was said of the intent: then nobody replaces it meanwhile.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "reason": reason}
    return connection.execute(sql.load("void_cancelled"), arguments).rowcount == 1


def stop_voiding(connection: Connection, booking_id: BookingId) -> bool:
    """Take the mark off: the provider had the money already, so the booking is to be committed after all."""
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id}
    return connection.execute(_STOP_VOIDING, arguments).rowcount == 1


def end_voided(connection: Connection, booking_id: BookingId, *, state: BookingState) -> Released | None:
    """Its intent is cancelled, or the provider stayed away too long: end as `state` and free its tickets.

    `state` is EXPIRED, CANCELLED, PAYMENT_FAILED or FAILED. None when it is not `voiding`, or has ended.
    """
    ended = _end(connection, [booking_id], state=state, reason=None, before=HOLDING, voiding=True)
    return ended[0] if ended else None


def cancel(connection: Connection, booking_id: BookingId, *, buyer_id: BuyerId) -> Released | None:
    """The buyer gives up: waiting, queued or held -> cancelled, tickets free. None when a payment is under way (then
    `begin_voiding`).

    IllegalMove when it is committed or has ended otherwise; NotFound when it is not this buyer's. Cancelled before:
    the same answer, without tickets.
    """
    booking = _own(connection, booking_id, buyer_id)
    if booking.state is BookingState.CANCELLED:
        return _released(booking)
    if booking.state not in UNDECIDED | HOLDING:
        raise IllegalMove
    if booking.voiding or booking.state in HOLDING - {BookingState.HELD}:
        return None
    (ended,) = _end(
        connection, [booking_id], state=BookingState.CANCELLED, reason=CANCELLED_REASON, before={booking.state}
    )
    return ended


def extend(connection: Connection, booking_id: BookingId, *, buyer_id: BuyerId) -> Extended:
    """Move the deadline to pay_seconds from now.

    IllegalMove when nothing is held or it was moved EXTENSIONS_MAX times; HoldExpired when the deadline has passed;
    NotFound when it is not this buyer's.
    """
    booking = _own(connection, booking_id, buyer_id)
    arguments = {"event_id": booking.event_id, "id": booking_id, "extensions_max": EXTENSIONS_MAX}
    row = connection.execute(sql.load("extend_hold"), arguments).one_or_none()
    if row is not None:
        return Extended(row.hold_until, EXTENSIONS_MAX - row.hold_extensions)
    if booking.state in HOLDING and not booking.voiding and booking.hold_extensions < EXTENSIONS_MAX:
        raise HoldExpired
    raise IllegalMove


def versions_of(connection: Connection, booking_id: BookingId) -> dict[TicketId, int]:
    """The row versions of the tickets a booking has, for the ticket cache."""
    rows = connection.execute(_VERSIONS, {"event_id": event_of_booking(booking_id), "id": booking_id})
    return {TicketId(ticket): version for ticket, version in rows}


def _end(
    connection: Connection,
    ids: Sequence[BookingId],
    *,
    state: BookingState,
    reason: str | None,
    before: Collection[BookingState],
    voiding: bool = False,
) -> tuple[Released, ...]:
    """Move these bookings to `state` where they are in one of `before`, and free what they hold."""
    if not ids:
        return ()
    arguments = {
        "event_ids": [event_of_booking(one) for one in ids],
        "ids": [str(one) for one in ids],
        "state": state.value,
        "reason": reason,
        "before": [one.value for one in before],
        "voiding": voiding,
    }
    return tuple(
        Released(
            booking_id=row.id,
            event_id=row.event_id,
            buyer_id=row.buyer_id,
            number=row.number,
            return_number=row.return_number,
            state=state,
            tickets={TicketId(int(ticket)): version for ticket, version in (row.tickets or {}).items()},
        )
        for row in connection.execute(sql.load("end_holds"), arguments)
    )


def _own(connection: Connection, booking_id: BookingId, buyer_id: BuyerId) -> Booking:
    booking = get_for_update(connection, booking_id)
    if booking is None or booking.buyer_id != buyer_id:
        raise NotFound
    return booking


def _released(booking: Booking) -> Released:
    return Released(
        booking.id, booking.event_id, booking.buyer_id, booking.number, booking.return_number, booking.state, {}
    )


# A booking somebody is just now paying for or cancelling is left to them: skipped, and seen again by the next sweep.
_WAITING_OF_CLOSED = text("""
    SELECT b.id FROM bookings b JOIN queue_settings s ON s.event_id = b.event_id
     WHERE b.state = 'waiting' AND s.phase = 'closed' LIMIT :limit
""")
_DUE = text("""
    SELECT id FROM bookings
     WHERE state = 'held' AND NOT voiding AND hold_until < clock_timestamp()
       AND (CAST(:event_id AS bigint) IS NULL OR event_id = :event_id)
     ORDER BY hold_until LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_UNPAID_OF = text("""
    SELECT id FROM bookings
     WHERE event_id = :event_id AND state IN ('waiting', 'queued', 'held') AND NOT voiding
     LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_VERSIONS = text("""
    SELECT t.id, t.version FROM booking_tickets bt JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
     -- Not "IS NULL", as in commit_booking.sql.
     WHERE bt.event_id = :event_id AND bt.booking_id = :id AND coalesce(bt.released_at, 'infinity') = 'infinity'
""")
_OVERDUE = text("""
    SELECT b.id, p.intent_id, extract(epoch FROM clock_timestamp() - b.hold_until)::float, b.voiding
      FROM bookings b LEFT JOIN payments p ON p.event_id = b.event_id AND p.booking_id = b.id
     WHERE b.hold_until < clock_timestamp()
       AND (b.state IN ('authorising', 'requires_action', 'authorised') OR (b.state = 'held' AND b.voiding))
     ORDER BY b.hold_until LIMIT :limit
""")
_BEGIN_VOIDING = text("""
    UPDATE bookings SET voiding = true,
           reason = CASE WHEN voiding AND reason IS DISTINCT FROM 'card_limit' THEN reason ELSE :reason END
     WHERE event_id = :event_id AND id = :id
       AND state IN ('held', 'authorising', 'requires_action', 'authorised')
       AND (NOT :past_deadline OR hold_until < clock_timestamp())
    RETURNING *
""")
_STOP_VOIDING = text("""
    UPDATE bookings SET voiding = false, reason = NULL
     WHERE event_id = :event_id AND id = :id AND voiding
       AND state IN ('held', 'authorising', 'requires_action', 'authorised')
""")
