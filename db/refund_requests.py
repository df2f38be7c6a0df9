"""Asking for a refund: tickets are given back for money, once, whoever asks and however often.

One transaction voids the tickets, records the refund (its id is the provider's key) and puts the seats on sale again.
See docs/decisions/0064.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import Connection, text

from onsale.db import cancellations, disputes, refund_settings, sql
from onsale.db.bookings import Booking, get_for_update
from onsale.db.ids import BookingId, BuyerId, TicketId, event_of_booking
from onsale.db.prices import charge_unit_minor
from onsale.db.refund_rules import Reckoned, RefundRules, may_cancel, reckon
from onsale.db.refunds import Refund, RefundReason, refund_of
from onsale.db.states import BookingState
from onsale.errors import (
    CancellationClosed,
    IdempotencyKeyReused,
    IllegalMove,
    NotFound,
    PaymentDisputed,
    RefundChanged,
    TicketCheckedIn,
)

BUYER = "buyer"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refund to be asked for. `tickets` None: all that nobody was let in with.

    `rules`: what the organiser keeps (None: nothing). `amount_minor`: what whoever asks was shown; another amount is
    refused. `key` and `request_hash`: the same request again gives the same refund.
    """

    refund_id: UUID
    reason: RefundReason
    asked_by: str
    tickets: tuple[TicketId, ...] | None = None
    rules: RefundRules | None = None
    amount_minor: int | None = None
    key: str | None = None
    request_hash: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Requested:
    """The refund, and the tickets that are free again by this call (with their new row version); none on a repeat."""

    refund: Refund
    freed: dict[TicketId, int]


@dataclass(frozen=True, slots=True)
class SoldTicket:
    """A ticket that a booking still has."""

    id: TicketId
    price_minor: int
    checked_in: bool


def request(connection: Connection, booking_id: BookingId, wanted: Wanted) -> Requested:
    """confirmed -> refunding: the tickets are void, the refund is recorded, the seats are on sale. All or nothing.

    NotFound: no such booking, or a ticket that is not its own (any more). IllegalMove: not confirmed (a refund is under
    way, or all is given back), or nothing to give back. TicketCheckedIn: somebody was let in with one. RefundChanged:
    not the amount that was shown. PaymentDisputed: but for a cancelled event, which owes it all the same.
    IdempotencyKeyReused. Of a cancelled event all goes back, whoever asks and for what.
    """
    booking = get_for_update(connection, booking_id)
    if booking is None:
        raise NotFound
    if wanted.key is not None and (before := _by_key(connection, booking_id, wanted.key, wanted.asked_by)):
        if before.request_hash != wanted.request_hash:
            raise IdempotencyKeyReused
        return Requested(before, {})
    if booking.state is not BookingState.CONFIRMED:
        raise IllegalMove
    called_off = cancellations.stands(connection, booking.event_id)
    if called_off:
        wanted = replace(wanted, reason=RefundReason.EVENT_CANCELLED, rules=None, amount_minor=None)
    if wanted.reason is not RefundReason.EVENT_CANCELLED and disputes.stands(connection, booking_id):
        raise PaymentDisputed
    sold = sold_tickets(connection, booking_id)
    chosen = _chosen(sold, wanted.tickets)
    if called_off:
        chosen = _chosen(sold, None)
    reckoned = _reckoned(connection, booking, sold, chosen, wanted.rules)
    if wanted.amount_minor not in (None, reckoned.amount_minor):
        raise RefundChanged
    return _write(connection, booking, chosen, reckoned, wanted=wanted)


def cancel_paid(
    connection: Connection, booking_id: BookingId, buyer_id: BuyerId, *, refund_id: UUID, key: str, amount_minor: int
) -> Requested:
    """The buyer gives all tickets back, within the organiser's rules, for the amount that they were shown.

    NotFound: not this buyer's. CancellationClosed: the rules do not allow it (any more); and what `request` raises.
    """
    booking = get_for_update(connection, booking_id)
    if booking is None or booking.buyer_id != buyer_id:
        raise NotFound
    rules, allowed = buyers_terms(connection, booking)
    if not allowed and _by_key(connection, booking_id, key, BUYER) is None:
        raise CancellationClosed
    wanted = Wanted(
        refund_id,
        RefundReason.BUYER_CANCELLED,
        BUYER,
        rules=rules,
        amount_minor=amount_minor,
        key=key,
        request_hash=str(amount_minor).encode(),
    )
    return request(connection, booking_id, wanted)


def buyers_terms(connection: Connection, booking: Booking) -> tuple[RefundRules | None, bool]:
    """The organiser's rules for a buyer who cancels, and whether they allow it now."""
    rules = refund_settings.get(connection, booking.event_id)
    if rules is None:
        return None, False
    row = connection.execute(_WHEN, {"event_id": booking.event_id}).one()
    return rules, may_cancel(rules, starts_at=row.starts_at, now=row.now)


def offer(connection: Connection, booking: Booking, *, rules: RefundRules | None) -> Reckoned | None:
    """What would go back for all tickets that nobody was let in with, if it were asked for now; None: nothing can."""
    if booking.state is not BookingState.CONFIRMED:
        return None
    sold = sold_tickets(connection, booking.id)
    if all(ticket.checked_in for ticket in sold) or disputes.stands(connection, booking.id):
        return None
    return _reckoned(connection, booking, sold, _chosen(sold, None), rules)


def sold_tickets(connection: Connection, booking_id: BookingId) -> tuple[SoldTicket, ...]:
    """The tickets that a booking still has, in the order of the house."""
    return tuple(SoldTicket(*row) for row in connection.execute(_SOLD_TICKETS, _of(booking_id)))


def _chosen(sold: tuple[SoldTicket, ...], tickets: tuple[TicketId, ...] | None) -> tuple[SoldTicket, ...]:
    if tickets is None:
        chosen = tuple(ticket for ticket in sold if not ticket.checked_in)
        if not chosen:
            raise TicketCheckedIn if sold else IllegalMove
        return chosen
    by_id = {ticket.id: ticket for ticket in sold}
    if not tickets or any(ticket not in by_id for ticket in tickets):
        raise NotFound
    if any(by_id[ticket].checked_in for ticket in tickets):
        raise TicketCheckedIn
    return tuple(by_id[ticket] for ticket in dict.fromkeys(tickets))


def _reckoned(
    connection: Connection,
    booking: Booking,
    sold: tuple[SoldTicket, ...],
    chosen: tuple[SoldTicket, ...],
    rules: RefundRules | None,
) -> Reckoned:
    left: int = connection.execute(_LEFT, _of(booking.id)).scalar_one()
    paid = [booking.terms.of_ticket(ticket.price_minor).total_minor for ticket in chosen]
    unit = charge_unit_minor(booking.currency)
    return reckon(paid, left_minor=left, last=len(chosen) == len(sold), rules=rules, unit_minor=unit)


def _write(
    connection: Connection, booking: Booking, chosen: tuple[SoldTicket, ...], reckoned: Reckoned, *, wanted: Wanted
) -> Requested:
    arguments = {
        **_of(booking.id),
        "refund_id": wanted.refund_id,
        "tickets": len(chosen),
        "ticket_ids": [int(ticket.id) for ticket in chosen],
        "amount_minor": reckoned.amount_minor,
        "kept_minor": reckoned.kept_minor,
        "currency": booking.currency,
        "reason": wanted.reason.value,
        "asked_by": wanted.asked_by,
        "key": None if wanted.key is None else _own_key(wanted.asked_by, wanted.key),
        "request_hash": wanted.request_hash,
    }
    row = connection.execute(sql.load("refund_booking"), arguments).one()
    # Raised after the statement: the transaction takes back all that it wrote.
    if not row.moved:
        raise IllegalMove
    if row.freed != len(chosen):
        raise TicketCheckedIn
    return Requested(refund_of(row), {TicketId(int(ticket)): version for ticket, version in row.versions.items()})


def _by_key(connection: Connection, booking_id: BookingId, key: str, asked_by: str) -> Refund | None:
    asked = {**_of(booking_id), "key": key, "own_key": _own_key(asked_by, key), "asked_by": asked_by}
    row = connection.execute(_BY_KEY, asked).one_or_none()
    return refund_of(row) if row else None


def _own_key(asked_by: str, key: str) -> str:
    """Two who choose the same key have not sent the same request."""
    return f"{asked_by} {key}"


def _of(booking_id: BookingId) -> dict[str, object]:
    return {"event_id": event_of_booking(booking_id), "id": booking_id}


_SOLD_TICKETS = text("""
    SELECT bt.ticket_id, bt.price_minor, bt.checked_in_at IS NOT NULL FROM booking_tickets bt
     -- Not "IS NULL", as in commit_booking.sql.
     WHERE bt.event_id = :event_id AND bt.booking_id = :id AND coalesce(bt.released_at, 'infinity') = 'infinity'
     ORDER BY bt.ticket_id
""")
_WHEN = text("SELECT starts_at, clock_timestamp() AS now FROM events WHERE id = :event_id")
_LEFT = text("""
    SELECT coalesce((SELECT amount_minor FROM captures WHERE event_id = :event_id AND booking_id = :id), 0)
           - coalesce((SELECT sum(amount_minor + kept_minor) FROM refunds
                        WHERE event_id = :event_id AND booking_id = :id), 0)::bigint
""")
_BY_KEY = text("""
    SELECT * FROM refunds
     WHERE event_id = :event_id AND booking_id = :id
       -- The second: as an older release wrote it.
       AND (idempotency_key = :own_key OR (idempotency_key = :key AND asked_by = :asked_by))
     LIMIT 1
""")
