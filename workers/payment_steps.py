"""What comes next for a booking's payment: a pure answer read off the record."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from onsale.db.charges import Charge
from onsale.db.states import ENDED, HOLDING, BookingState
from onsale.payments.provider import Intent, IntentStatus

# The provider has stayed away this long past a deadline: the tickets go, and the late payment is cancelled afterwards.
PROVIDER_AWAY_SECONDS = 60
# What `voiding` was set for, and how the booking ends. Anything else is an expiry.
ENDS_BY_REASON = {
    "cancelled": BookingState.CANCELLED,
    "buyer": BookingState.CANCELLED,
    "event_cancelled": BookingState.CANCELLED,
    "payment_cancelled": BookingState.PAYMENT_FAILED,
}


class Step(StrEnum):
    """One step of `resume`."""

    REST = "rest"  # nothing to do until something happens
    BEGIN = "begin"  # the saved card of a hands-free booking
    AUTHORISE = "authorise"  # ask for the money, or ask what became of the asking
    COMMIT = "commit"  # sell the tickets
    CAPTURE = "capture"  # take the money
    CONFIRM_FREE = "confirm_free"  # nothing to take
    VOID = "void"  # cancel at the provider, then end
    RELEASE = "release"  # ended without tickets: give back what the provider still holds


class Seen(StrEnum):
    """What the provider's answer means for the attempt under way."""

    AUTHORISED = "authorised"
    ACTION = "action"
    PROCESSING = "processing"
    DECLINED = "declined"
    CANCELED = "canceled"
    UNSENT = "unsent"  # nobody knows whether this card was asked: confirm with the attempt's key, which asks only once


def next_step(charge: Charge) -> Step:
    """The one step that the booking's state asks for; safe to take twice, by several callers at once."""
    booking = charge.booking
    if booking.voiding and booking.state in HOLDING:
        return Step.VOID
    match booking.state:
        case BookingState.HELD:
            return _of_a_hold(charge)
        case BookingState.AUTHORISING | BookingState.REQUIRES_ACTION:
            return Step.AUTHORISE
        case BookingState.AUTHORISED:
            return Step.COMMIT
        case BookingState.COMMITTED:
            return Step.CAPTURE if booking.amount_minor else Step.CONFIRM_FREE
        case state if state in ENDED and state not in (BookingState.CONFIRMED, BookingState.REFUNDED):
            return Step.RELEASE if _still_open(charge) else Step.REST
        case _:
            return Step.REST


def _of_a_hold(charge: Charge) -> Step:
    if charge.booking.amount_minor == 0:
        return Step.COMMIT
    # A declined saved card is not tried again by itself: the buyer chooses another one.
    return Step.BEGIN if charge.booking.payment_method and charge.attempt is None else Step.REST


def _still_open(charge: Charge) -> bool:
    payment = charge.payment
    return payment is not None and payment.status not in (IntentStatus.CANCELED, "refunded")


def seen(intent: Intent, *, confirmed: bool, state: BookingState, waited: bool = False) -> Seen:
    """What an intent says. `confirmed`: it is the answer to this attempt's own confirmation.

    An intent that was only retrieved may still speak of the card before. What it says of a card counts when this one
    is known to have been sent: by us just now, or because the booking waits for its buyer's bank, or because it was
    said of this one that its outcome comes later (`waited`).
    """
    if intent.authorised:
        return Seen.AUTHORISED
    if intent.canceled:
        return Seen.CANCELED
    if intent.status is IntentStatus.PROCESSING:
        return Seen.PROCESSING
    if intent.unusable:
        # Whatever the provider still asks about is an earlier card.
        return Seen.DECLINED
    if not (confirmed or waited) and state is not BookingState.REQUIRES_ACTION:
        return Seen.UNSENT
    return Seen.ACTION if intent.status is IntentStatus.REQUIRES_ACTION else Seen.DECLINED


def overdue_seconds(charge: Charge, now: datetime) -> float:
    """How long the hold's deadline has passed; negative while it lasts."""
    until = charge.booking.hold_until
    return -1.0 if until is None else (now - until) / timedelta(seconds=1)


def waited_for(charge: Charge) -> bool:
    """Whether the outcome of the newest attempt was said to come later."""
    return charge.attempt is not None and charge.attempt.processing_until is not None


def too_late(charge: Charge, intent: Intent, now: datetime) -> bool:
    """Whether the tickets are to go although the payment may still come: their time is over.

    Not when the money is reserved, and not at the first word that the outcome comes later, which gives them more.
    """
    if overdue_seconds(charge, now) <= 0 or intent.authorised:
        return False
    return intent.status is not IntentStatus.PROCESSING or waited_for(charge)


def end_of(reason: str | None) -> BookingState:
    """How a voided booking ends."""
    return ENDS_BY_REASON.get(reason or "", BookingState.EXPIRED)
