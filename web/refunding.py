"""Giving money back, as a buyer or an organiser's staff ask for it. API, pages and console all call these.

The record says what is refunded; a worker asks the provider. What follows the commit may fail: the sweeps catch up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Connection

from onsale.db import (
    cancellations,
    catalogue,
    disputes,
    paid_elsewhere,
    refund_requests,
    refund_settings,
    refunds,
    staff,
)
from onsale.db.bookings import Booking
from onsale.db.cancellations import Cancellation, Progress
from onsale.db.disputes import Dispute
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId, event_of_booking
from onsale.db.paid_elsewhere import MoreGiven
from onsale.db.refund_requests import Requested, Wanted
from onsale.db.refund_rules import RefundRules, cancel_until
from onsale.db.refunds import Elsewhere, Paid, Refund, RefundReason, RefundState
from onsale.db.states import BookingState
from onsale.errors import IllegalMove, NotAllowed, NotFound
from onsale.web import dial
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice

# Of these something may have been given back.
GIVEN_BACK = frozenset({BookingState.CONFIRMED, BookingState.REFUNDING, BookingState.REFUNDED})


@dataclass(frozen=True)
class Offer:
    """What a buyer who cancels now gets back, what the organiser keeps, and until when it is so."""

    amount_minor: int
    kept_minor: int
    until: datetime


@dataclass(frozen=True)
class Given:
    """All about money given back at an event, as its staff see it."""

    rules: RefundRules | None
    cancellation: Cancellation | None
    progress: Progress
    failed: tuple[Refund, ...]
    more: tuple[MoreGiven, ...]
    disputes: tuple[Dispute, ...]


def offer(connection: Connection, booking: Booking) -> Offer | None:
    """What cancelling gives back to the buyer now; None: it cannot be cancelled, or all goes back by itself."""
    rules, allowed = refund_requests.buyers_terms(connection, booking)
    if rules is None or not allowed or cancellations.get(connection, booking.event_id) is not None:
        return None
    event = catalogue.event_by_id(connection, booking.event_id)
    until = cancel_until(rules, event.starts_at) if event else None
    reckoned = refund_requests.offer(connection, booking, rules=rules)
    if reckoned is None or until is None:
        return None
    return Offer(reckoned.amount_minor, reckoned.kept_minor, until)


def cancel_paid(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId, *, amount_minor: int, key: str) -> None:
    """The buyer gives the tickets back for the amount that they were shown; the same key is the same refund.

    Raises NotFound, CancellationClosed, IllegalMove, TicketCheckedIn, RefundChanged, IdempotencyKeyReused.
    """
    with transaction(office.engine) as connection:
        asked = refund_requests.cancel_paid(
            connection, booking_id, buyer_id, refund_id=uuid4(), key=key, amount_minor=amount_minor
        )
    _follow(office, asked)


def refund(
    office: BoxOffice,
    booking_id: BookingId,
    member: StaffMember,
    *,
    tickets: Sequence[TicketId] | None,
    keep_fee: bool,
    key: str,
) -> Refund:
    """Staff give back these tickets' money, or that of all nobody was let in with; `keep_fee`: by the rules for buyers.

    Raises NotFound for an event of another organiser, NotAllowed for a viewer, IllegalMove when there is no rule by
    which to keep a fee, and what `refund_requests.request` raises. Of a cancelled event all goes back.
    """
    event_id = event_of_booking(booking_id)
    if event_id is None:
        raise NotFound
    body = orjson.dumps([sorted(tickets) if tickets is not None else None, keep_fee])
    with transaction(office.engine) as connection:
        _check(connection, event_id, member)
        rules = refund_settings.get(connection, event_id) if keep_fee else None
        if keep_fee and rules is None:
            raise IllegalMove("This event has no rule by which a fee is kept.", field="keep_fee")
        wanted = Wanted(
            uuid4(),
            RefundReason.ORGANISER,
            f"staff:{member.id}",
            tickets=tuple(tickets) if tickets is not None else None,
            rules=rules,
            key=key,
            request_hash=hashlib.sha256(body).digest(),
        )
        asked = refund_requests.request(connection, booking_id, wanted)
    _follow(office, asked)
    return asked.refund


def try_again(office: BoxOffice, refund_id: UUID, member: StaffMember) -> Refund:
    """Ask the provider once more, now, for a refund that it refused. Raises NotFound, NotAllowed, IllegalMove."""
    with transaction(office.engine) as connection:
        found = refunds.get(connection, refund_id)
        if found is None:
            raise NotFound
        _check(connection, found.event_id, member)
        once_more = refunds.again(connection, found) if found.state is RefundState.FAILED else None
        if once_more is None:
            raise IllegalMove("This refund has not failed.")
    office.wakes.wake_refund(found.booking_id)
    return once_more


def say_paid(office: BoxOffice, refund_id: UUID, member: StaffMember, *, way: Elsewhere, note: str) -> Refund:
    """Staff paid back in another way what the provider refuses; `note` says how, and its buyer reads it.

    A lost dispute ends its refund by itself. Raises NotFound, NotAllowed; IllegalMove when it is not refused any more.
    """
    with transaction(office.engine) as connection:
        found = refunds.get(connection, refund_id)
        if found is None:
            raise NotFound
        _check(connection, found.event_id, member)
        paid = Paid(way, f"staff:{member.id}", note)
        if found.state is not RefundState.FAILED or not paid_elsewhere.end(connection, found, paid):
            raise IllegalMove("This refund has not failed.")
        ended = refunds.get(connection, refund_id)
    office.wakes.wake_mail()
    return ended or found


def set_rules(office: BoxOffice, event_id: EventId, member: StaffMember, rules: RefundRules | None) -> None:
    """Until when buyers may cancel, and what is kept; None: not at all. Raises NotFound, NotAllowed, BadRequest."""
    with transaction(office.engine) as connection:
        _check(connection, event_id, member)
        refund_settings.change(connection, event_id, rules, actor=f"staff:{member.id}")


def cancel_event(office: BoxOffice, event_id: EventId, member: StaffMember, *, reason: str) -> Cancellation:
    """The show does not take place: its sale stops now, and a sweep ends and refunds every booking.

    Raises NotFound, NotAllowed. A second time changes nothing.
    """
    with transaction(office.engine) as connection:
        _check(connection, event_id, member)
        cancelled = cancellations.begin(connection, event_id, reason=reason, actor=f"staff:{member.id}")
    dial.put_in_force(office, event_id)
    return cancelled


def given(office: BoxOffice, event_id: EventId, member: StaffMember) -> Given:
    """What was given back, and what could not be. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return Given(
            refund_settings.get(connection, event_id),
            cancellations.get(connection, event_id),
            cancellations.progress(connection, event_id),
            refunds.failed(connection, event_id),
            paid_elsewhere.more_given(connection, event_id),
            disputes.of_event(connection, event_id),
        )


def _check(connection: Connection, event_id: EventId, member: StaffMember) -> None:
    if staff.of_event(connection, member.id, event_id) is None:
        raise NotFound
    if not member.may_change:
        raise NotAllowed


def _follow(office: BoxOffice, asked: Requested) -> None:
    """The seats are free in the copy too, and somebody asks the provider."""
    office.ticket_cache.clear(asked.refund.event_id, asked.freed)
    office.wakes.wake_refund(asked.refund.booking_id)
