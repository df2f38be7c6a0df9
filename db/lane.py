"""The lane's statements: queue who was admitted, read a batch in order, write its decisions at once.

Call in this order, in one READ COMMITTED transaction: try_lock, queue_admitted, read_batch, (house reads), write_batch. The
advisory lock is a statement of its own, so that what is read after it is newer than what the last holder wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from onsale.db.allocation import Decision, NamedTicket, Request
from onsale.db.house import House, SectionIndex
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId
from onsale.errors import OnsaleError

BATCH_MAX = 100
QUEUE_MAX = 1_000


class AllocationStale(OnsaleError):
    """A ticket was no longer free, or a booking no longer queued. Roll back, forget `section_ids`, read the batch again."""

    def __init__(
        self, *, tickets: frozenset[TicketId], bookings: frozenset[BookingId], section_ids: frozenset[int]
    ) -> None:
        super().__init__(f"{len(tickets)} tickets and {len(bookings)} bookings changed under the batch")
        self.tickets = tickets
        self.bookings = bookings
        self.section_ids = section_ids


@dataclass(frozen=True, slots=True)
class QueuedBooking:
    """A booking to decide: what the allocator needs, and what happens after."""

    id: BookingId
    number: int
    return_number: int | None
    admission_id: str | None
    buyer_id: BuyerId
    has_payment_method: bool
    request: Request


@dataclass(frozen=True, slots=True)
class Batch:
    """The next bookings in (number, created_at, id) order and the snapshot they were read in.

    `selling` False: the organiser stopped selling, `bookings` is empty. `changes`: each section's change counter, for `House.missing`.
    """

    event_id: EventId
    bookings: tuple[QueuedBooking, ...]
    snapshot: str
    selling: bool
    anything_left: bool
    changes: Mapping[int, int]

    @property
    def requests(self) -> tuple[Request, ...]:
        return tuple(booking.request for booking in self.bookings)


@dataclass(frozen=True, slots=True)
class Written:
    """A batch is written (and the caller's to commit): holds last until `hold_until`; tell the house `changes`.

    `versions`: each held ticket's row version, for the ticket cache.
    """

    hold_until: datetime
    versions: Mapping[TicketId, int]
    changes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class LaneWork:
    """An event whose lane has something to do; the age is that of the oldest undecided booking."""

    event_id: EventId
    oldest_seconds: float


def try_lock(connection: Connection, event_id: EventId) -> bool:
    """Take the event's lane until the transaction ends; False when someone else has it."""
    raise NotImplementedError


def queue_admitted(
    connection: Connection, event_id: EventId, *, serving: int, return_serving: int, limit: int = QUEUE_MAX
) -> int:
    """waiting -> queued for every hands-free booking whose turn has come, lowest number first; returns how many.

    Call again when it returns `limit`.
    """
    raise NotImplementedError


def read_batch(connection: Connection, event_id: EventId, *, limit: int = BATCH_MAX) -> Batch:
    """The next batch, in one statement: bookings, snapshot, and whether anything is left."""
    raise NotImplementedError


def tickets_named(connection: Connection, event_id: EventId, ids: Iterable[TicketId]) -> Mapping[TicketId, NamedTicket]:
    """Those of the tickets that exist, as they stand."""
    raise NotImplementedError


def section_index(
    connection: Connection, event_id: EventId, section_ids: Iterable[int] | None = None
) -> tuple[SectionIndex, ...]:
    """The free tickets of these sections (None: of all), read in one statement, in the organiser's order."""
    raise NotImplementedError


def prepare_house(
    connection: Connection, event_id: EventId, house: House, batch: Batch
) -> Mapping[TicketId, NamedTicket]:
    """Read what this batch needs and `house` lacks; returns the tickets its wishes name. Then `allocate` can decide."""
    raise NotImplementedError


def write_batch(connection: Connection, event_id: EventId, decisions: Sequence[Decision], *, snapshot: str) -> Written:
    """Write the decisions in one statement, guarded by ticket state and booking version.

    AllocationStale when any guard failed: nothing of the batch may be committed then. The deadline of a hold is pay_seconds
    from now by the database's clock.
    """
    raise NotImplementedError


def mark_failed(connection: Connection, booking_id: BookingId, *, reason: str) -> bool:
    """waiting or queued -> failed, for the booking that makes its batch raise; False when it is neither any more."""
    raise NotImplementedError


def any_queued(connection: Connection, event_id: EventId, *, serving: int = 0, return_serving: int = 0) -> bool:
    """The last look, without the lock: whether a booking could be decided now (selling is on, and one is queued or admitted)."""
    raise NotImplementedError


def with_work(connection: Connection, *, older_than_seconds: float = 0.0, limit: int = 500) -> tuple[LaneWork, ...]:
    """Events that sell and have queued bookings older than this, oldest first: whose wake-up may have been lost."""
    raise NotImplementedError


def with_waiting(connection: Connection, *, limit: int = 500) -> tuple[EventId, ...]:
    """Events that have hands-free bookings waiting for their turn."""
    raise NotImplementedError
