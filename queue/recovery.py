"""What a lost queue is restored to, computed from the record: no number is given twice, nobody is behind where they were.

Pure. `workers/recovery.py` reads the record under a lock, calls this, and writes the result through the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onsale.db.states import BookingState
from onsale.queue.keys import PlaceId
from onsale.queue.state import Restored, Slots


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
    """The counters to go on from. `alive_ms`: the last moment the lost queue may have advanced (now, unless known better);
    `journal_last`: the highest journaled number; `return_last`: the highest return number any booking or admission names;
    `seq`: the highest journaled run."""
    raise NotImplementedError


def admitted_again(
    state: Restored, *, first: int, return_first: int, taken: Iterable[PlaceId], slots_left: int
) -> tuple[PlaceId, ...]:
    """Places from `first` (the lowest number admitted within the time to enter) up to the restored serving that may still
    come in, lowest first, not those in `taken`, at most `slots_left`; who is beyond takes a return number."""
    raise NotImplementedError


def slots_of(bookings: Iterable[LiveBooking], *, undecided_until_ms: int) -> Slots:
    """What `follow` is told about these bookings; `waiting` ones are not in it (see `hands_free_of`)."""
    raise NotImplementedError


def hands_free_of(bookings: Iterable[LiveBooking]) -> tuple[PlaceId, ...]:
    """The places that count as present because a booking waits for them."""
    raise NotImplementedError
