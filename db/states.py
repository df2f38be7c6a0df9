"""The states of a booking and the moves between them: one table, which the database enforces too."""

from __future__ import annotations

from enum import StrEnum


class BookingState(StrEnum):
    """Where a booking is; `ENDED` lists the states that a booking rests in."""

    WAITING = "waiting"
    QUEUED = "queued"
    HELD = "held"
    AUTHORISING = "authorising"
    REQUIRES_ACTION = "requires_action"
    AUTHORISED = "authorised"
    COMMITTED = "committed"
    CONFIRMED = "confirmed"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    SOLD_OUT = "sold_out"
    UNAVAILABLE = "unavailable"
    PAYMENT_FAILED = "payment_failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


S = BookingState

LEGAL_MOVES: dict[BookingState, frozenset[BookingState]] = {
    # Hands-free: worked off when its number is admitted.
    S.WAITING: frozenset({S.QUEUED, S.CANCELLED, S.FAILED}),
    S.QUEUED: frozenset({S.HELD, S.SOLD_OUT, S.UNAVAILABLE, S.CANCELLED, S.FAILED}),
    # A free ticket needs no card: held goes straight to committed.
    S.HELD: frozenset({S.AUTHORISING, S.COMMITTED, S.EXPIRED, S.CANCELLED, S.FAILED}),
    # A declined card goes back to held: the hold lives to its deadline and another card may be tried.
    S.AUTHORISING: frozenset(
        {S.REQUIRES_ACTION, S.AUTHORISED, S.HELD, S.PAYMENT_FAILED, S.EXPIRED, S.CANCELLED, S.FAILED}
    ),
    S.REQUIRES_ACTION: frozenset({S.AUTHORISING, S.AUTHORISED, S.HELD, S.PAYMENT_FAILED, S.EXPIRED, S.CANCELLED}),
    S.AUTHORISED: frozenset({S.COMMITTED, S.EXPIRED, S.CANCELLED, S.FAILED}),
    S.COMMITTED: frozenset({S.CONFIRMED}),
    S.CONFIRMED: frozenset({S.REFUNDING}),
    S.REFUNDING: frozenset({S.REFUNDED, S.CONFIRMED}),
    S.REFUNDED: frozenset(),
    S.SOLD_OUT: frozenset(),
    S.UNAVAILABLE: frozenset(),
    S.PAYMENT_FAILED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
    S.FAILED: frozenset(),
}

# Where every booking comes from: the record's word for "not there before".
NEW = "new"
FIRST = frozenset({S.WAITING, S.QUEUED})
UNDECIDED = frozenset({S.WAITING, S.QUEUED})
# The booking has tickets out of sale and nobody has paid for them yet.
HOLDING = frozenset({S.HELD, S.AUTHORISING, S.REQUIRES_ACTION, S.AUTHORISED})
SOLD = frozenset({S.COMMITTED, S.CONFIRMED, S.REFUNDING})
ENDED = frozenset(state for state, moves in LEGAL_MOVES.items() if not moves) | {S.CONFIRMED}


def may_move(before: BookingState, after: BookingState) -> bool:
    """Whether the table allows this move."""
    return after in LEGAL_MOVES[before]
