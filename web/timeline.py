"""A booking's way as its buyer reads it: each step made, when, and the steps that are still to come.

Pages and API tell the same steps in the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from onsale.db.bookings import Booking, Move
from onsale.db.payments import CARD_LIMIT
from onsale.db.queue_ways import QueueWay
from onsale.db.states import ENDED, HOLDING
from onsale.db.states import BookingState as S


class Standing(StrEnum):
    """Where a step is: `now` is the last one made while more is to come."""

    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `name` is the state it leads to, or `declined`; `at` is None while it is ahead."""

    name: str
    words: str
    standing: Standing
    at: datetime | None = None
    more: str = ""


DECLINED = "declined"
JOINED, DRAWN, PASSED_OVER, ADMITTED = "joined", "drawn", "passed_over", "admitted"

WORDS = {
    S.WAITING: "Asked for; waiting for your number",
    S.QUEUED: "Booking received",
    S.HELD: "Tickets held for you",
    S.AUTHORISING: "Asking your bank",
    S.REQUIRES_ACTION: "Your bank asks you to confirm",
    S.AUTHORISED: "Card authorised",
    S.COMMITTED: "Tickets secured",
    S.CONFIRMED: "Payment captured",
    S.REFUNDING: "Refund started",
    S.REFUNDED: "Money returned",
    S.SOLD_OUT: "Sold out",
    S.UNAVAILABLE: "What you asked for was gone",
    S.PAYMENT_FAILED: "Payment failed",
    S.EXPIRED: "Time ran out",
    S.CANCELLED: "Cancelled",
    S.FAILED: "Something broke on our side",
}
MORE = {
    S.AUTHORISED: "Your bank reserved the money.",
    S.COMMITTED: "They are written to your name.",
}
SENT_BACK = "Money sent back; your bank did not take it"
# The way to the tickets; what comes before a state that is reached is not shown again.
_TO_HOLD = (S.QUEUED, S.HELD)
_TO_PAY = (S.AUTHORISED, S.COMMITTED, S.CONFIRMED)
_FREE_TO_PAY = (S.COMMITTED, S.CONFIRMED)


def timeline(booking: Booking, history: Sequence[Move], *, owed: bool = False) -> tuple[Step, ...]:
    """The steps made, oldest first, then those ahead; at most one of them is `now`.

    `owed`: money that was sent back has not arrived (`refunds.is_owed`), though the booking's state says so.
    """
    made = [_made(booking, move) for move in history]
    if made and owed and history[-1].from_state is S.REFUNDING:
        made[-1] = replace(made[-1], words=SENT_BACK)
        return (*made, Step(S.REFUNDED.value, WORDS[S.REFUNDED], Standing.AHEAD, more="We were told, and try again."))
    if made and booking.state not in ENDED:
        made[-1] = replace(made[-1], standing=Standing.NOW)
    return (*made, *_ahead(booking))


def way_in(way: QueueWay) -> tuple[Step, ...]:
    """The steps before a booking: through the queue, as far as they are on record."""
    steps = (
        (JOINED, f"Joined the queue as number {way.pre_queue_number or way.number:,}", way.joined_at),
        (DRAWN, f"Drawn as number {way.number:,}", way.drawn_at),
        (PASSED_OVER, "Called, and not there; the place was kept", way.passed_at),
        (ADMITTED, f"Let in by run {way.run:,} of the queue" if way.run else "", way.admitted_at),
    )
    return tuple(Step(name, words, Standing.DONE, at) for name, words, at in steps if at is not None)


def _made(booking: Booking, move: Move) -> Step:
    state, free = move.to_state, booking.amount_minor == 0
    name, words = state.value, WORDS[state]
    if state is S.HELD and move.from_state is not S.QUEUED:
        name, words = DECLINED, "The card was declined; tickets still held"
    elif state is S.CONFIRMED and move.from_state is S.REFUNDING:
        words = "Refund over; the booking stands"
    elif state is S.CONFIRMED and free:
        words = _confirmed(free=True)
    return Step(name, words, Standing.DONE, move.at, MORE.get(state, ""))


def _ahead(booking: Booking) -> tuple[Step, ...]:
    state = booking.state
    if booking.voiding and state in HOLDING and booking.reason != CARD_LIMIT:
        return (Step("released", "Payment released, tickets back on sale", Standing.AHEAD),)
    if state in ENDED or state is S.REFUNDING:
        return ()
    free = booking.amount_minor == 0
    way = (S.WAITING, *_TO_HOLD, *(_FREE_TO_PAY if free else _TO_PAY))
    # Between the hold and the bank's yes there are several states, and the way is the same.
    reached = S.HELD if state in HOLDING - {S.AUTHORISED} else state
    left = way[way.index(reached) + 1 :]
    return tuple(
        Step(one.value, _confirmed(free=free) if one is S.CONFIRMED else WORDS[one], Standing.AHEAD) for one in left
    )


def _confirmed(*, free: bool) -> str:
    return "Confirmed; nothing to pay" if free else WORDS[S.CONFIRMED]
