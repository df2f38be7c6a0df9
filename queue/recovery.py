"""What a lost queue is restored to, computed from the record: no number given twice, nobody behind where they were.

Pure. `workers/recovery.py` reads the record under a lock, calls this, and writes the result through the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice

from onsale.db.states import ENDED, HOLDING, SOLD, BookingState
from onsale.queue import rate
from onsale.queue.gaps import NO_GAPS, Gaps
from onsale.queue.keys import PlaceId, number_place, return_place
from onsale.queue.state import Restored, SlotKind, Slots, SlotState

MINUTE_MS = 60_000
# Return numbers are given without a block in the record; so many may have been given since the last one it names.
RETURNS_GAP = 1_000
# Ended with the buyer served, or by the buyer's own will; every other end leaves a return number.
_USED_UP = SOLD | {BookingState.REFUNDED}


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint: how far the queue was at `at_ms` of Redis' clock."""

    serving: int
    return_serving: int
    issued: int
    return_issued: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class LiveBooking:
    """A booking that has not ended, or whose place is used up; `until_ms` is its hold's deadline."""

    admission_id: PlaceId
    state: BookingState
    until_ms: int | None


def restored(
    mark: Mark | None,
    *,
    last_reserved: int,
    journal_last: int,
    return_last: int,
    rate_per_minute: int,
    alive_ms: int,
    seq: int = 0,
    admitted_total: int = 0,
) -> Restored:
    """The counters to go on from.

    `last_reserved`: the end of the last block. `journal_last`: the highest number in the journal. `return_last`: the
    highest return number that a booking or an admission names. `alive_ms`: the last moment at which the lost queue may
    have advanced (now, unless it is known better). `seq`: the highest run in the journal.
    """
    known = mark or Mark(0, 0, 0, 0, alive_ms)
    moved = _moved_at_most(rate_per_minute, alive_ms - known.at_ms) if mark else 0
    returns_known = max(known.return_issued, return_last)
    # Where nobody was let in, nobody can have come back.
    return_issued = returns_known + (RETURNS_GAP if returns_known or known.serving or moved else 0)
    return Restored(
        issued=last_reserved,
        serving=min(last_reserved, known.serving + moved),
        return_issued=return_issued,
        return_serving=min(returns_known, known.return_serving + moved),
        unknown_first=max(journal_last, min(known.issued, last_reserved)) + 1,
        return_unknown_first=returns_known + 1,
        # The runs since the last one in the journal are lost; their counters must not come again.
        seq=seq + moved + 1 if mark else seq,
        admitted_total=admitted_total,
    )


def admitted_again(
    state: Restored, *, first: int, return_first: int, taken: Iterable[PlaceId], slots_left: int, gaps: Gaps = NO_GAPS
) -> tuple[PlaceId, ...]:
    """Places that may still come in, lowest first, not those in `taken`; beyond `slots_left` one takes a return number.

    A slot for nobody would keep a ticket from those who wait: there is none in `gaps`.

    From `first`, the lowest number admitted within the time to enter, up to the restored serving.
    """
    spoken_for = set(taken)
    returned = range(max(1, return_first), state.return_serving + 1)
    returns = (return_place(number) for number in returned if not gaps.has(number, is_return=True))
    known_last = min(state.serving, state.unknown_first - 1)
    called = range(max(1, first), known_last + 1)
    numbers = (number_place(number) for number in called if not gaps.has(number, is_return=False))
    free = (place for place in chain(returns, numbers) if place not in spoken_for)
    return tuple(islice(free, max(0, slots_left)))


def slots_of(bookings: Iterable[LiveBooking], *, undecided_until_ms: int) -> Slots:
    """What `follow` is told about these bookings; `waiting` ones are not in it (see `hands_free_of`)."""
    slots: dict[PlaceId, SlotState] = {}
    for booking in bookings:
        slot = _slot(booking, undecided_until_ms)
        # Several bookings of one place: the one that keeps its slot counts.
        if slot is not None and _rank(slot) >= _rank(slots.get(booking.admission_id)):
            slots[booking.admission_id] = slot
    return slots


def hands_free_of(bookings: Iterable[LiveBooking]) -> tuple[PlaceId, ...]:
    """The places that count as present because a booking waits for them."""
    return tuple(booking.admission_id for booking in bookings if booking.state is BookingState.WAITING)


def _moved_at_most(rate_per_minute: int, age_ms: int) -> int:
    """How many may have been let in since: the rate over the time, and the burst; rounded up."""
    credits = rate_per_minute * max(0, age_ms) * 1_000 + rate.capacity(rate_per_minute)
    return -(-credits // rate.TURN_CREDITS)


def _slot(booking: LiveBooking, undecided_until_ms: int) -> SlotState | None:
    if booking.state is BookingState.QUEUED:
        return SlotState(SlotKind.UNDECIDED, undecided_until_ms)
    if booking.state in HOLDING:
        return SlotState(SlotKind.HOLDING, booking.until_ms or undecided_until_ms)
    if booking.state in _USED_UP:
        return SlotState(SlotKind.DONE)
    return SlotState(SlotKind.LAPSED) if booking.state in ENDED else None


_RANKS = {
    SlotKind.DONE: 4,
    SlotKind.HOLDING: 3,
    SlotKind.UNDECIDED: 2,
    SlotKind.CHOOSING: 2,
    SlotKind.LAPSED: 1,
}


def _rank(slot: SlotState | None) -> int:
    return _RANKS[slot.kind] if slot else 0
