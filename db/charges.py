"""Payments in the record: attempts, the one intent per booking, commit, capture, and what a crash left.

Everything here is a guarded move that may be made twice. What to ask the payment provider is decided by the worker's `resume`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from onsale.db.bookings import Booking
from onsale.db.ids import BookingId, BuyerId, EventId

ATTEMPTS_MAX = 10
LEASE_SECONDS = 60


class AttemptOutcome(StrEnum):
    """What came of one card."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    DECLINED = "declined"
    AUTHORISED = "authorised"
    ABANDONED = "abandoned"


class Commit(StrEnum):
    """What `commit` found: it did it now, a twin (or an earlier run) had done it, or the hold is gone and nothing may be charged."""

    DONE = "done"
    ALREADY = "already"
    GONE = "gone"


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


@dataclass(frozen=True, slots=True)
class Charge:
    """All that `resume` needs to name the next step, read in one statement."""

    booking: Booking
    event_name: str
    provider_customer_id: str | None
    payment: Payment | None
    attempt: Attempt | None


@dataclass(frozen=True, slots=True)
class IntentToCancel:
    """An intent that may still hold or take money although its booking ended without tickets."""

    booking_id: BookingId
    intent_id: str
    captured_minor: int


def charge_of(connection: Connection, booking_id: BookingId) -> Charge | None:
    """The booking with its payment and its newest attempt."""
    raise NotImplementedError


def new_attempt(
    connection: Connection,
    booking_id: BookingId,
    *,
    payment_method: str,
    return_url: str = "",
    buyer_id: BuyerId | None = None,
) -> Attempt:
    """held -> authorising with this card, and the hold lasts at least pay_seconds from now (the same UPDATE).

    The same card again while authorising: the attempt under way. HoldExpired past the deadline; IllegalMove in any other state,
    with another card under way, or after ATTEMPTS_MAX cards; NotFound when `buyer_id` is given and it is not theirs.
    """
    raise NotImplementedError


def claim(connection: Connection, booking_id: BookingId, *, lease_seconds: int = LEASE_SECONDS) -> bool:
    """Take the booking's payment for a while; False when someone else has it. Saves calls to the provider; nothing depends on it."""
    raise NotImplementedError


def unclaim(connection: Connection, booking_id: BookingId) -> None:
    """Give the lease back early."""
    raise NotImplementedError


def intent_created(
    connection: Connection,
    booking_id: BookingId,
    *,
    intent_id: str,
    client_secret: str,
    status: str,
    amount_minor: int,
    currency: str,
) -> Payment:
    """Store the booking's intent; the first one stays and is returned (the provider gives the same one for the same booking)."""
    raise NotImplementedError


def intent_seen(
    connection: Connection,
    booking_id: BookingId,
    *,
    status: str,
    captured_minor: int = 0,
    void_reason: str | None = None,
) -> None:
    """Remember what the provider said last about the intent."""
    raise NotImplementedError


def declined(
    connection: Connection, booking_id: BookingId, attempt: int, *, decline_code: str, message: str
) -> Booking | None:
    """authorising or requires_action -> held, and the attempt is over; the deadline stays. None: not in these states any more, or another attempt."""
    raise NotImplementedError


def requires_action(
    connection: Connection, booking_id: BookingId, attempt: int, *, next_action_url: str
) -> Booking | None:
    """authorising -> requires_action: the buyer must confirm with their bank. None: not in this state (any more)."""
    raise NotImplementedError


def authorised(connection: Connection, booking_id: BookingId, attempt: int) -> Booking | None:
    """authorising or requires_action -> authorised: the money is reserved. None: not in these states (any more)."""
    raise NotImplementedError


def commit(connection: Connection, booking_id: BookingId, *, twin_guard: bool = True) -> Commit:
    """Sell the tickets by the hold's version and move authorised -> committed (a booking that costs nothing: held -> committed).

    Safe with any number of twins: one that updates nothing re-reads the booking FOR UPDATE and says ALREADY when it is committed or
    later. `twin_guard=False` leaves the re-reading out (the guard's negative control). GONE: voiding, ended, or not to be committed.
    The record must not be left half done: on GONE roll nothing back, nothing was written.
    """
    raise NotImplementedError


def captured(connection: Connection, booking_id: BookingId, *, amount_minor: int) -> bool:
    """The money is taken: write the capture and move committed -> confirmed. False when that was done before."""
    raise NotImplementedError


def confirm_without_charge(connection: Connection, booking_id: BookingId) -> bool:
    """committed -> confirmed for a booking that costs nothing. False when that was done before."""
    raise NotImplementedError


def webhook_received(connection: Connection, webhook_event_id: str, kind: str) -> bool:
    """True the first time this webhook event is seen."""
    raise NotImplementedError


def unpaid_with_card(connection: Connection, *, older_than_seconds: float, limit: int = 500) -> tuple[BookingId, ...]:
    """Held hands-free bookings whose saved card was not tried yet: their wake-up may have been lost. In number order."""
    raise NotImplementedError


def stuck(connection: Connection, *, older_than_seconds: float, limit: int = 500) -> tuple[BookingId, ...]:
    """Bookings in authorising, requires_action, authorised or committed without news for so long and without a lease, oldest first."""
    raise NotImplementedError


def to_cancel(
    connection: Connection, *, older_than_seconds: float = 0.0, limit: int = 500
) -> tuple[IntentToCancel, ...]:
    """Intents neither cancelled nor refunded whose booking ended without tickets."""
    raise NotImplementedError
