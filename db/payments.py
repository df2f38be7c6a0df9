"""A booking's payment as the record has it: the one intent, the cards tried, and all that the next step depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, text

from onsale.db import sql
from onsale.db.bookings import Booking, booking_of
from onsale.db.ids import BookingId, EventId, event_of_booking

# Why a card was refused by us, and what a booking is being voided for while the money it had reserved is let go.
CARD_LIMIT = "card_limit"


class AttemptOutcome(StrEnum):
    """What came of one card."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    DECLINED = "declined"
    AUTHORISED = "authorised"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One card tried; its parameters are stored before the provider is asked, so that a repeat asks the very same."""

    event_id: EventId
    booking_id: BookingId
    attempt: int
    payment_method: str = field(repr=False)
    return_url: str = field(repr=False)
    outcome: AttemptOutcome
    decline_code: str | None
    message: str | None
    next_action_url: str | None = field(repr=False)
    # The provider said that its outcome comes later, and so long the tickets wait for it.
    processing_until: datetime | None
    created_at: datetime

    @property
    def key(self) -> str:
        """The Idempotency-Key of its confirmation at the provider."""
        return f"{self.booking_id}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Payment:
    """The booking's one payment intent; `status` is the provider's word."""

    event_id: EventId
    booking_id: BookingId
    intent_id: str
    client_secret: str = field(repr=False)
    status: str
    amount_minor: int
    currency: str
    captured_minor: int
    void_reason: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def let_go(self) -> bool:
        """A card over its limit had reserved money by it: it is cancelled, and the next card needs another intent."""
        return self.status == "canceled" and self.void_reason == CARD_LIMIT


@dataclass(frozen=True, slots=True)
class Charge:
    """All that `resume` needs to name the next step, as it was at `read_at` by the record's clock."""

    booking: Booking
    event_name: str
    # How many tickets of this event one card may pay for; None: as many as its buyers may have.
    tickets_per_card: int | None
    buyer_email: str | None = field(repr=False)
    provider_customer_id: str | None
    payment: Payment | None
    attempt: Attempt | None
    read_at: datetime


def charge_of(connection: Connection, booking_id: BookingId) -> Charge | None:
    """The booking with its payment and its newest attempt, in one statement; None when there is no such booking."""
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id}
    row = connection.execute(sql.load("charge_of"), arguments).one_or_none()
    if row is None:
        return None
    return Charge(
        booking=booking_of(row),
        event_name=row.event_name,
        tickets_per_card=row.tickets_per_card,
        buyer_email=row.buyer_email,
        provider_customer_id=row.provider_customer_id,
        payment=_payment(row) if row.intent_id is not None else None,
        attempt=_attempt(row, row.id, row.card, row.attempted_at) if row.attempt is not None else None,
        read_at=row.read_at,
    )


def newest_attempt(connection: Connection, booking_id: BookingId) -> Attempt | None:
    """The card that counts now (`standing`)."""
    return standing(attempts(connection, booking_id))


def standing(tried: Sequence[Attempt]) -> Attempt | None:
    """The card that pays or may still pay, the last one that was sent; else the one that was declined last.

    A card that was refused without asking its bank ends no question that a bank still asks about an earlier one.
    """
    return max(tried, key=lambda one: (_RANKS.get(one.outcome, 2), one.attempt), default=None)


def refused_since(tried: Sequence[Attempt]) -> Attempt | None:
    """The card that was refused last while a bank still asks about an earlier one."""
    now = standing(tried)
    if now is None or now.outcome is not AttemptOutcome.REQUIRES_ACTION:
        return None
    later = [one for one in tried if one.attempt > now.attempt and one.outcome is AttemptOutcome.DECLINED]
    return later[-1] if later else None


def attempts(connection: Connection, booking_id: BookingId) -> tuple[Attempt, ...]:
    """Every card tried for the booking, in order."""
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id}
    return tuple(attempt_of(row) for row in connection.execute(_ATTEMPTS, arguments))


def attempt_by_key(connection: Connection, booking_id: BookingId, key: str) -> Attempt | None:
    """The card tried with this Idempotency-Key."""
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "key": key}
    row = connection.execute(_ATTEMPT_BY_KEY, arguments).one_or_none()
    return attempt_of(row) if row else None


def attempt_of(row: Row[Any]) -> Attempt:
    """An attempt from a row that has all columns of the table."""
    return _attempt(row, row.booking_id, row.payment_method, row.created_at)


def _attempt(row: Row[Any], booking_id: BookingId, payment_method: str, created_at: datetime) -> Attempt:
    return Attempt(
        event_id=row.event_id,
        booking_id=booking_id,
        attempt=row.attempt,
        payment_method=payment_method,
        return_url=row.return_url,
        outcome=AttemptOutcome(row.outcome),
        decline_code=row.decline_code,
        message=row.message,
        next_action_url=row.next_action_url,
        processing_until=row.processing_until,
        created_at=created_at,
    )


def _payment(row: Row[Any]) -> Payment:
    """The payment in a row of `charge_of`."""
    return Payment(
        event_id=row.event_id,
        booking_id=row.id,
        intent_id=row.intent_id,
        client_secret=row.client_secret,
        status=row.intent_status,
        amount_minor=row.intent_amount_minor,
        currency=row.intent_currency,
        captured_minor=row.captured_minor,
        void_reason=row.void_reason,
        created_at=row.intent_created_at,
        updated_at=row.intent_updated_at,
    )


# db/sql/charge_of.sql has the same order.
_RANKS = {AttemptOutcome.DECLINED: 1, AttemptOutcome.ABANDONED: 0}
_ATTEMPT_BY_KEY = text("""
    SELECT * FROM payment_attempts WHERE event_id = :event_id AND booking_id = :id AND idempotency_key = :key
""")
_ATTEMPTS = text("""
    SELECT * FROM payment_attempts WHERE event_id = :event_id AND booking_id = :id ORDER BY attempt
""")
