"""The lane's statements: queue who was admitted, read a batch in order, write its decisions at once.

Call in this order, in one READ COMMITTED transaction: take, queue_admitted, read_batch, (house reads), write_batch. The
advisory lock is a statement of its own, so that what is read after it is newer than what the last holder wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import Connection, Row, text

from onsale.db import code_uses, locks, prepared, sql
from onsale.db.allocation import Decision, NamedTicket, Request
from onsale.db.house import House, Run, SectionIndex
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId, event_of_booking
from onsale.db.lane_columns import columns_of
from onsale.db.price_terms import NO_TERMS, PriceTerms, terms_from_text
from onsale.db.prices import charge_bounds
from onsale.db.runs import ticket_runs
from onsale.db.tiers import tiers_from_text
from onsale.db.wishes import Wish, sections_needed, wish_from_json
from onsale.db.wishes import tickets_named as named_by
from onsale.errors import OnsaleError

BATCH_MAX = 100
QUEUE_MAX = 1_000
# Different lists of wishes a worker remembers the meaning of.
WISHES_KEPT = 1_000


class AllocationStale(OnsaleError):
    """A ticket was no longer free, a booking no longer queued, or a code used up. Roll back, forget `section_ids`, read
    the batch again.
    """

    def __init__(
        self, *, tickets: frozenset[TicketId], bookings: frozenset[BookingId], section_ids: frozenset[int]
    ) -> None:
        super().__init__(f"{len(tickets)} tickets and {len(bookings)} bookings changed under the batch")
        self.tickets = tickets
        self.bookings = bookings
        self.section_ids = section_ids


class QueuedBooking(NamedTuple):
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

    `selling` False: the organiser stopped selling, `bookings` is empty. `changes`: each section's change counter, for
    `House.missing`. `terms`: the event's fees and tax. `price_due_at`: when a price of the event becomes another one,
    and `price_is_due`, whether it should have by now. `code_only`: the sections that only a code opens.
    """

    event_id: EventId
    bookings: tuple[QueuedBooking, ...]
    snapshot: str
    selling: bool
    changes: Mapping[int, int]
    terms: PriceTerms = NO_TERMS
    price_due_at: datetime | None = None
    price_is_due: bool = False
    currency: str = ""
    code_only: frozenset[int] = frozenset()

    @property
    def requests(self) -> tuple[Request, ...]:
        return tuple(booking.request for booking in self.bookings)

    @property
    def wishes(self) -> tuple[Wish, ...]:
        return tuple(wish for booking in self.bookings for wish in booking.request.wishes)


@dataclass(frozen=True, slots=True)
class Written:
    """A batch is written (and the caller's to commit): holds last until `hold_until`; tell the house `changes`.

    `versions`: each held ticket's row version, for the ticket cache. `sold_out`: bookings that were to be
    unavailable, and ended as sold out because the record has nothing free and nothing held.
    """

    hold_until: datetime
    versions: Mapping[TicketId, int]
    changes: Mapping[int, int]
    sold_out: frozenset[BookingId] = frozenset()


class Turn(NamedTuple):
    """Whether the lane is ours now (else someone else has it), and whether a hands-free booking is to be queued."""

    taken: bool
    due: bool


@dataclass(frozen=True, slots=True)
class LaneWork:
    """An event whose lane has something to do; the age is that of the oldest undecided booking."""

    event_id: EventId
    oldest_seconds: float


def take(connection: Connection, event_id: EventId, *, serving: int = 0, return_serving: int = 0) -> Turn:
    """Take the event's lane until the transaction ends, and look for hands-free bookings whose turn has come."""
    arguments = {"key": locks.of_lane(event_id), "event_id": event_id}
    places = {"serving": serving, "return_serving": return_serving}
    taken, due = connection.execute(_TAKE, arguments | places).one()
    return Turn(taken, due)


def queue_admitted(
    connection: Connection, event_id: EventId, *, serving: int, return_serving: int, limit: int = QUEUE_MAX
) -> int:
    """waiting -> queued for every hands-free booking whose turn has come, lowest number first; returns how many.

    Call again when it returns `limit`; and only when one is due: an update of nothing costs four times the question.
    """
    arguments = {"event_id": event_id, "serving": serving, "return_serving": return_serving, "limit": limit}
    return connection.execute(sql.load("queue_admitted"), arguments).rowcount


def is_sold_out(connection: Connection, event_id: EventId) -> bool:
    """Whether every ticket is sold: nothing is free, and nothing held could come back."""
    return bool(connection.execute(_IS_SOLD_OUT, {"event_id": event_id}).scalar_one())


def undecided(
    connection: Connection, *, older_than_seconds: float, limit: int = QUEUE_MAX
) -> tuple[tuple[EventId, str], ...]:
    """The admissions of bookings queued longer than this, oldest first: (event, admission)."""
    rows = connection.execute(_UNDECIDED, {"seconds": older_than_seconds, "limit": limit})
    return tuple((EventId(event_id), admission_id) for event_id, admission_id in rows)


def read_batch(
    connection: Connection, event_id: EventId, *, limit: int = BATCH_MAX, being_written: Iterable[BookingId] = ()
) -> Batch:
    """The next batch, in one statement: bookings, snapshot, and the sections' change counters.

    Without those `being_written`, which are decided and not committed yet.
    """
    left_out = f"{{{','.join(map(str, being_written))}}}"
    asked = {"event_id": event_id, "limit": limit, "being_written": left_out}
    row = prepared.execute(connection, "read_batch", asked).one()
    return Batch(
        event_id=event_id,
        bookings=tuple(
            _queued(fields, row.tickets_per_buyer, row.tickets_per_address) for fields in row.bookings or ()
        ),
        snapshot=row.snapshot,
        selling=row.selling,
        changes={int(section_id): changes for section_id, changes in (row.changes or {}).items()},
        terms=terms_from_text(row.terms),
        price_due_at=row.price_due_at,
        price_is_due=row.price_due_at is not None and row.price_due_at <= row.now,
        currency=row.currency,
        code_only=frozenset(row.code_only_section_ids),
    )


def head(connection: Connection, event_id: EventId) -> BookingId | None:
    """The booking that is next, by its id alone: for naming one that cannot even be read."""
    found: UUID | None = connection.execute(_HEAD, {"event_id": event_id}).scalar()
    return BookingId(found) if found else None


def tickets_named(connection: Connection, event_id: EventId, ids: Iterable[TicketId]) -> Mapping[TicketId, NamedTicket]:
    """Those of the tickets that exist, as they stand."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = connection.execute(_TICKETS_NAMED, {"event_id": event_id, "ids": wanted})
    return {row.id: NamedTicket(*_with_tiers(row)) for row in rows}


def section_index(
    connection: Connection, event_id: EventId, section_ids: Iterable[int] | None = None
) -> tuple[SectionIndex, ...]:
    """The free tickets of these sections (None: of all), in the organiser's order.

    The counters are read first: whoever moves one in between makes the section look old, never new.
    """
    wanted = None if section_ids is None else list(section_ids)
    sections = connection.execute(_SECTIONS, {"event_id": event_id, "section_ids": wanted}).all()
    runs: dict[int, list[Run]] = {}
    for run in ticket_runs(connection, event_id, [section.id for section in sections]):
        runs.setdefault(run.section_id, []).append(run.as_free())
    return tuple(
        SectionIndex.of_runs(
            one.id,
            runs.get(one.id, ()),
            price_minor=one.price_minor,
            changes=one.changes,
            general=one.general,
            tiers=tiers_from_text(one.tiers),
        )
        for one in sections
    )


def prepare_house(
    connection: Connection, event_id: EventId, house: House, batch: Batch
) -> Mapping[TicketId, NamedTicket]:
    """Read what this batch needs and `house` lacks; returns the tickets its wishes name. Then `allocate` can decide."""
    house.terms = batch.terms
    house.bounds = charge_bounds(batch.currency)
    house.codes = code_uses.book(
        connection, event_id, batch.requests, code_only=batch.code_only, currency=batch.currency
    )
    needed = sections_needed(batch.wishes)
    # What is here and not needed may be older than the record, and must not meet a wish.
    house.forget(house.missing(tuple(house.sections), batch.changes))
    missing = house.missing(batch.changes if needed is None else needed, batch.changes)
    if missing:
        house.put(section_index(connection, event_id, missing))
    return tickets_named(connection, event_id, named_by(batch.wishes))


def write_batch(
    connection: Connection,
    event_id: EventId,
    decisions: Sequence[Decision],
    *,
    snapshot: str,
    terms: PriceTerms = NO_TERMS,
    price_due_at: datetime | None = None,
) -> Written:
    """Write the decisions in one statement, guarded by ticket state, booking version, and the time of `price_due_at`.

    `terms` are those the house had when it was decided; the record refuses fees and taxes without them.
    AllocationStale when any guard failed: nothing of the batch may be committed then. The deadline of a hold is
    pay_seconds from now by the database's clock.
    """
    priced = None if terms.plain else orjson.dumps(terms.as_json()).decode()
    arguments = {"event_id": event_id, "snapshot": snapshot, "terms": priced, **columns_of(decisions)}
    row = prepared.execute(connection, "write_batch", arguments).one()
    versions = {TicketId(int(ticket)): version for ticket, version in (row.versions or {}).items()}
    given = [ticket.ticket_id for decision in decisions for ticket in decision.tickets]
    # A ticket decided for two bookings of the batch was written for one of them only.
    lost = _lost(given, versions) if len(versions) < len(given) else frozenset()
    left_out = frozenset(BookingId(UUID(booking)) for booking in row.left_out or ())
    # Decided before the price changed, and held after it: by the clock of the hold it is another price.
    if lost or left_out or (price_due_at is not None and row.now >= price_due_at):
        taken = (ticket for decision in decisions for ticket in decision.tickets)
        section_ids = frozenset(ticket.section_id for ticket in taken if ticket.ticket_id in lost)
        raise AllocationStale(tickets=lost, bookings=left_out, section_ids=section_ids)
    if without_room := code_uses.write(connection, event_id, decisions):
        raise AllocationStale(tickets=frozenset(), bookings=without_room, section_ids=frozenset())
    return Written(
        hold_until=row.until,
        versions=versions,
        changes={int(section_id): changes for section_id, changes in (row.changes or {}).items()},
        sold_out=frozenset(BookingId(UUID(booking)) for booking in row.sold_out or ()),
    )


def mark_failed(connection: Connection, booking_id: BookingId, *, reason: str) -> bool:
    """waiting or queued -> failed, for the booking that makes its batch raise; False when it is neither any more."""
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id, "reason": reason}
    return connection.execute(_MARK_FAILED, arguments).rowcount == 1


def any_queued(connection: Connection, event_id: EventId, *, serving: int = 0, return_serving: int = 0) -> bool:
    """The last look, without the lock: whether a booking could be decided now.

    That is: selling is on, and one is queued, or waits although its turn has come.
    """
    arguments = {"event_id": event_id, "serving": serving, "return_serving": return_serving}
    return bool(connection.execute(_ANY_QUEUED, arguments).scalar_one())


def with_work(connection: Connection, *, older_than_seconds: float = 0.0, limit: int = 500) -> tuple[LaneWork, ...]:
    """Events that sell and have queued bookings older than this, oldest first: whose wake-up may have been lost."""
    rows = connection.execute(_WITH_WORK, {"seconds": older_than_seconds, "limit": limit})
    return tuple(LaneWork(EventId(event_id), oldest) for event_id, oldest in rows)


def with_waiting(connection: Connection, *, limit: int = 500) -> tuple[EventId, ...]:
    """Events that have hands-free bookings waiting for their turn."""
    return tuple(EventId(event_id) for event_id in connection.execute(_WITH_WAITING, {"limit": limit}).scalars())


def _queued(fields: Sequence[Any], buyer_limit: int, address_limit: int | None) -> QueuedBooking:
    id_, version, buyer, number, return_number, admission_id, has_payment_method, wishes, *counted = fields
    buyer_taken, address, there, codes = counted
    booking_id, buyer_id = BookingId(UUID(id_)), BuyerId(UUID(buyer))
    return QueuedBooking(
        id=booking_id,
        number=number,
        return_number=return_number,
        admission_id=admission_id,
        buyer_id=buyer_id,
        has_payment_method=has_payment_method,
        request=Request(
            booking_id,
            version,
            buyer_id,
            _wishes(wishes),
            buyer_taken,
            buyer_limit,
            address=address,
            address_taken=there,
            address_limit=address_limit,
            code_ids=tuple(codes or ()),
        ),
    )


def _with_tiers(row: Row[Any]) -> list[Any]:
    """The fields of a row, whose last one is its section's tiers."""
    return [*row[:-1], tiers_from_text(row[-1])]


def _lost(given: Sequence[TicketId], versions: Mapping[TicketId, int]) -> frozenset[TicketId]:
    return frozenset(ticket for ticket, times in Counter(given).items() if times > 1 or ticket not in versions)


@lru_cache(maxsize=WISHES_KEPT)
def _wishes(text_: str) -> tuple[Wish, ...]:
    """Wishes from their text. A crowd wants few different things: most are two, side by side."""
    return tuple(wish_from_json(wish) for wish in orjson.loads(text_))


_HEAD = text("""
    SELECT id FROM bookings WHERE event_id = :event_id AND state = 'queued' ORDER BY number, created_at, id LIMIT 1
""")
_TICKETS_NAMED = text("""
    SELECT t.id, t.section_id, coalesce(t.row_number, 0), coalesce(t.seat_number, 0), s.price_minor, t.state = 'free',
           CASE WHEN s.tiers <> '[]' THEN CAST(s.tiers AS text) END AS tiers
      FROM tickets t JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
     WHERE t.event_id = :event_id AND t.id = ANY (CAST(:ids AS bigint[]))
""")
_SECTIONS = text("""
    SELECT s.id, s.price_minor, s.kind = 'general' AS general, c.changes,
           CASE WHEN s.tiers <> '[]' THEN CAST(s.tiers AS text) END AS tiers
      FROM sections s JOIN section_changes c ON c.event_id = s.event_id AND c.section_id = s.id
     WHERE s.event_id = :event_id
       AND (CAST(:section_ids AS integer[]) IS NULL OR s.id = ANY (CAST(:section_ids AS integer[])))
     ORDER BY s.id
""")
_MARK_FAILED = text("""
    UPDATE bookings SET state = 'failed', version = version + 1, reason = :reason, ended_at = clock_timestamp()
     WHERE event_id = :event_id AND id = :id AND state IN ('waiting', 'queued')
""")
_ANY_QUEUED = text("""
    SELECT coalesce((SELECT selling FROM queue_settings WHERE event_id = :event_id), false) AND (
        EXISTS (SELECT FROM bookings WHERE event_id = :event_id AND state = 'queued')
        OR EXISTS (SELECT FROM bookings WHERE event_id = :event_id AND state = 'waiting'
                      AND return_number IS NULL AND number <= :serving)
        OR EXISTS (SELECT FROM bookings WHERE event_id = :event_id AND state = 'waiting'
                      AND return_number IS NOT NULL AND return_number <= :return_serving))
""")
# Two statements in one round trip, not one: what is read after the lock must be newer than what its last holder wrote.
_TAKE = text("""
    SELECT set_config('onsale.lane', CAST(pg_try_advisory_xact_lock(:key) AS text), true);
    SELECT CAST(current_setting('onsale.lane') AS boolean) AS taken,
           EXISTS (SELECT FROM bookings WHERE event_id = :event_id AND state = 'waiting'
                      AND return_number IS NULL AND number <= :serving)
        OR EXISTS (SELECT FROM bookings WHERE event_id = :event_id AND state = 'waiting'
                      AND return_number IS NOT NULL AND return_number <= :return_serving) AS due
""")
_IS_SOLD_OUT = text("SELECT NOT EXISTS (SELECT FROM tickets WHERE event_id = :event_id AND state <> 'sold')")
_UNDECIDED = text("""
    SELECT event_id, admission_id FROM bookings
     WHERE state = 'queued' AND admission_id IS NOT NULL
       AND queued_at < clock_timestamp() - :seconds * interval '1 second'
     ORDER BY queued_at LIMIT :limit
""")
_WITH_WORK = text("""
    SELECT b.event_id, extract(epoch FROM clock_timestamp() - min(b.queued_at))::float AS oldest_seconds
      FROM bookings b JOIN queue_settings s ON s.event_id = b.event_id
     WHERE b.state = 'queued' AND s.selling
     GROUP BY b.event_id
    HAVING min(b.queued_at) <= clock_timestamp() - :seconds * interval '1 second'
     ORDER BY min(b.queued_at) LIMIT :limit
""")
_WITH_WAITING = text("SELECT DISTINCT event_id FROM bookings WHERE state = 'waiting' LIMIT :limit")
