"""Carries a booking's payment on, one safe step after the other, whoever calls.

Task, webhook, the buyer's return and the reconciler all call `resume`. Why it cannot charge twice or cancel what was
sold: docs/decisions/0020.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from onsale.db import charges, holds
from onsale.db import engine as record
from onsale.db.bookings import Booking
from onsale.db.charges import Charge, Commit
from onsale.db.ids import BookingId
from onsale.db.payments import CARD_LIMIT
from onsale.db.states import BookingState
from onsale.errors import (
    HoldExpired,
    IllegalMove,
    PaymentRefused,
    ProviderUnavailable,
    RecordUnavailable,
)
from onsale.payments.provider import Intent
from onsale.workers import card_limit, follow_up, intents, noting
from onsale.workers.carrying import AWAY_SECONDS, LEASE_SECONDS, TWIN_SECONDS, Later, call_provider, lease
from onsale.workers.payment_steps import Seen, Step, end_of, next_step, seen, too_late, waited_for
from onsale.workers.shop import Shop

STEPS_MAX = 12
PROCESSING_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Resumed:
    """What `resume` did, and after how many seconds it wants to be called again (None: not by itself)."""

    steps: tuple[Step, ...] = ()
    again_seconds: float | None = None


def resume(shop: Shop, booking_id: BookingId, *, lease_seconds: int = LEASE_SECONDS) -> Resumed:
    """Bring a booking's payment as far as it goes without waiting for its buyer; call it as often as you like.

    `lease_seconds=0` does without the lease, for the tests that show nothing depends on it.
    """
    try:
        # A webhook mostly tells what is written already: then there is nothing to take a lease for.
        if (charge := _read(shop, booking_id)) is None or next_step(charge) is Step.REST:
            return Resumed()
    except RecordUnavailable as away:
        return _interrupted(booking_id, away)
    # Confirmed, the lease makes sure of what was read: what a switch to the standby would undo is never charged for.
    with lease(shop, booking_id, lease_seconds) as ours:
        if not ours:
            return Resumed(again_seconds=TWIN_SECONDS)
        try:
            return _walk(shop, charge)
        except RecordUnavailable as away:
            return _interrupted(booking_id, away)


def _interrupted(booking_id: BookingId, away: RecordUnavailable) -> Resumed:
    log.warning("payment_interrupted", booking_id=str(booking_id), why=str(away))
    return Resumed(again_seconds=AWAY_SECONDS)


def _walk(shop: Shop, charge: Charge | None) -> Resumed:
    steps: list[Step] = []
    while charge is not None and (step := next_step(charge)) is not Step.REST:
        booking_id = charge.booking.id
        if len(steps) == STEPS_MAX:
            log.error("payment_in_a_circle", booking_id=str(booking_id), steps=[step.value for step in steps[-4:]])
            return Resumed(tuple(steps), AWAY_SECONDS)
        steps.append(step)
        try:
            left = STEPS[step](shop, charge)
        except Later as later:
            return Resumed(tuple(steps), later.seconds)
        except ProviderUnavailable as away:
            return Resumed(tuple(steps), float(away.retry_after_seconds or AWAY_SECONDS))
        except PaymentRefused as refused:
            # Our request is wrong, and would be again: an operator reads this, the sweeper frees the tickets in time.
            log.error("payment_refused", booking_id=str(booking_id), step=step.value, why=str(refused))
            return Resumed(tuple(steps))
        charge = left or _read(shop, booking_id)
    return Resumed(tuple(steps))


def _read(shop: Shop, booking_id: BookingId) -> Charge | None:
    with record.reading(shop.engine) as connection:
        return charges.charge_of(connection, booking_id)


def _moved(charge: Charge, state: BookingState) -> Charge:
    """The charge as our own confirmed move left it; whatever somebody else wrote since, the next move's guard sees."""
    return replace(charge, booking=replace(charge.booking, state=state, version=charge.booking.version + 1))


def _begin(shop: Shop, charge: Charge) -> Charge | None:
    """The card saved with a hands-free booking becomes its first attempt."""
    booking = charge.booking
    try:
        with record.transaction(shop.engine) as connection:
            charges.new_attempt(
                connection,
                booking.id,
                payment_method=booking.payment_method or "",
                return_url=f"{shop.config.public_url}/bookings/{booking.id}",
                # A twin may have tried it meanwhile, and been declined: the next card is the buyer's to choose.
                first=True,
            )
            return charges.charge_of(connection, booking.id)
    except (HoldExpired, IllegalMove):
        # The sweeper or a twin was quicker; what is true now is in the record.
        raise Later(None) from None


def _authorise(shop: Shop, charge: Charge) -> Charge | None:
    """Ask for the money. The intent's id is committed before the first confirmation: a crash can always ask by id."""
    began, confirmed = time.monotonic(), False
    try:
        if charge.payment is None or charge.payment.let_go:
            intent, charge = intents.create(shop, charge)
        else:
            intent = intents.retrieve(shop, charge)
        now = charge.read_at + timedelta(seconds=time.monotonic() - began)
        if too_late(charge, intent, now):
            # Unless the buyer took more time while the provider was asked: then the deadline read is none.
            _begin_voiding(shop, charge, reason="expired", past_deadline=True)
            return None
        if _seen(charge, intent, confirmed=False) is Seen.UNSENT:
            if refusal := card_limit.refusal(shop, charge):
                _declined(shop, charge, code=CARD_LIMIT, message=refusal)
                return None
            intent, confirmed = intents.confirm(shop, charge, intent), True
    except PaymentRefused as refused:
        _decline(shop, charge, code="payment_refused", message=str(refused))
        return None
    return _note(shop, charge, intent, confirmed=confirmed)


def _note(shop: Shop, charge: Charge, intent: Intent, *, confirmed: bool) -> Charge | None:
    """Write down what the provider said, and stop where it is somebody else's turn."""
    meaning = _seen(charge, intent, confirmed=confirmed)
    noted = noting.note(shop, charge, intent, meaning)
    if not noted.ours:
        return None
    if meaning is Seen.ACTION:
        raise Later(None)  # The buyer's bank takes minutes; the webhook or the buyer's return calls again.
    if meaning is Seen.PROCESSING:
        # Mostly seconds, and a webhook; if it takes days, the reconciler asks now and then.
        raise Later(None if waited_for(charge) else PROCESSING_SECONDS)
    # Without a payment a twin stored it: what is asked about next is read.
    return replace(charge, booking=noted.authorised) if noted.authorised and charge.payment else None


def _seen(charge: Charge, intent: Intent, *, confirmed: bool) -> Seen:
    return seen(intent, confirmed=confirmed, state=charge.booking.state, waited=waited_for(charge))


def _decline(shop: Shop, charge: Charge, *, code: str, message: str) -> None:
    log.error("payment_refused", booking_id=str(charge.booking.id), code=code)
    _declined(shop, charge, code=code, message=message)


def _declined(shop: Shop, charge: Charge, *, code: str, message: str) -> None:
    """This card is refused and its bank was not asked: one that still asks about a card before goes on asking."""
    attempt = charge.attempt.attempt if charge.attempt else 0
    with record.transaction(shop.engine) as connection:
        charges.declined(connection, charge.booking.id, attempt, decline_code=code, message=message, heard=False)


def _commit(shop: Shop, charge: Charge) -> Charge | None:
    """Sell the tickets; then the hold is spent and the money may be taken."""
    booking = charge.booking
    with record.transaction(shop.engine) as connection:
        result = charges.commit(connection, booking.id, twin_guard="twin_commit" not in shop.config.guards_off)
        tickets = holds.versions_of(connection, booking.id) if result is Commit.DONE else {}
    if result is Commit.DONE:
        follow_up.sold(shop, booking, tickets)
        return _moved(charge, BookingState.COMMITTED)
    if result is Commit.GONE:
        _lost(shop, charge)
    return None


def _lost(shop: Shop, charge: Charge) -> None:
    """The record says that this hold can never be committed: what the card reserved is let go."""
    if not _begin_voiding(shop, charge, reason="hold_lost") and charge.payment is not None:
        # It has ended already, so there is nothing left to mark.
        _cancel(shop, charge, reason="hold_lost")
        raise Later(None)


def _capture(shop: Shop, charge: Charge) -> Charge | None:
    booking = charge.booking
    intent_id, key = intents.intent_id(charge), f"{booking.id}-capture"
    intent = call_provider(shop, lambda: shop.provider.capture_intent(intent_id, key=key))
    confirmed = False
    with record.transaction(shop.engine) as connection:
        if intent.captured:
            confirmed = charges.captured(connection, booking.id, amount_minor=intent.captured_minor)
        else:
            _seen_last(connection, charge, intent, status=intent.status)
    if not intent.captured:
        # Sold, and the money is gone: someone cancelled it at the provider. Tickets are not taken back by a machine.
        log.error("capture_impossible", booking_id=str(booking.id), status=intent.status)
        raise Later(None)
    return _moved(charge, BookingState.CONFIRMED) if confirmed else None


def _confirm_free(shop: Shop, charge: Charge) -> None:
    with record.transaction(shop.engine) as connection:
        charges.confirm_without_charge(connection, charge.booking.id)


def _void(shop: Shop, charge: Charge) -> None:
    """Cancel at the provider, then let the tickets go. Only reached by a booking that can no longer be committed.

    It was only its card that was refused: then the hold goes on, and another card gets another intent.
    """
    reason = charge.booking.reason or "expired"
    if charge.payment is not None and reason == CARD_LIMIT:
        # A key of its own: each card that comes to this has an intent of its own.
        intent_id = charge.payment.intent_id
        if _cancel(shop, charge, reason=reason, key=f"limit-{intent_id}").canceled:
            return card_limit.reopen(shop, charge, intent_id)
    elif charge.payment is not None:
        _cancel(shop, charge, reason=reason)
    end_voided(shop, charge.booking, reason=reason)


def end_voided(shop: Shop, booking: Booking, *, reason: str | None) -> None:
    """End a voided booking and put its tickets on sale again."""
    with record.transaction(shop.engine) as connection:
        released = holds.end_voided(connection, booking.id, state=end_of(reason))
    if released is not None:
        follow_up.released(shop, [released])


def _release(shop: Shop, charge: Charge) -> None:
    """It ended without tickets: cancel what is reserved, give back what was taken."""
    intent = intents.retrieve(shop, charge)
    if not intent.captured:
        # In a key of its own: one refused while the outcome was to come later would be answered the same for ever.
        reason = charge.booking.reason or charge.booking.state
        intent = _cancel(shop, charge, reason=reason, key=f"cancel-{intent.status}")
    if not intent.captured:
        raise Later(None)
    log.error("captured_without_tickets", booking_id=str(charge.booking.id))
    key = f"{charge.booking.id}-refund"
    call_provider(shop, lambda: shop.provider.refund_intent(intent.id, amount_minor=intent.captured_minor, key=key))
    with record.transaction(shop.engine) as connection:
        _seen_last(connection, charge, intent, status="refunded")
    raise Later(None)


def _cancel(shop: Shop, charge: Charge, *, reason: str, key: str = "cancel") -> Intent:
    keyed = f"{charge.booking.id}-{key}"
    intent = call_provider(shop, lambda: shop.provider.cancel_intent(intents.intent_id(charge), key=keyed))
    with record.transaction(shop.engine) as connection:
        _seen_last(connection, charge, intent, status=intent.status, void_reason=reason)
    return intent


def _seen_last(
    connection: Connection, charge: Charge, intent: Intent, *, status: str, void_reason: str | None = None
) -> None:
    charges.intent_seen(
        connection,
        charge.booking.id,
        intent_id=intent.id,
        status=status,
        captured_minor=intent.captured_minor,
        void_reason=void_reason,
    )


def _begin_voiding(shop: Shop, charge: Charge, *, reason: str, past_deadline: bool = False) -> bool:
    with record.transaction(shop.engine) as connection:
        marked = holds.begin_voiding(connection, charge.booking.id, reason=reason, past_deadline=past_deadline)
    return marked is not None


# Each returns the charge as it left it, when nothing that comes next could be read anew; else None.
STEPS: dict[Step, Callable[[Shop, Charge], Charge | None]] = {
    Step.BEGIN: _begin,
    Step.AUTHORISE: _authorise,
    Step.COMMIT: _commit,
    Step.CAPTURE: _capture,
    Step.CONFIRM_FREE: _confirm_free,
    Step.VOID: _void,
    Step.RELEASE: _release,
}
