"""A buyer's way through an event's queue, as the record has it: joined, passed over, let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.bookings import Booking
from onsale.db.ids import BuyerId, EventId, TicketId


@dataclass(frozen=True, slots=True)
class QueueWay:
    """None where it has not happened, or was not journaled yet; `passed_at`: called, and not there.

    Of a draw: `number` is the drawn one, `pre_queue_number` what they joined with, `drawn_at` when the draw was held.
    """

    number: int
    return_number: int | None
    joined_at: datetime | None
    passed_at: datetime | None
    admitted_at: datetime | None
    run: int | None
    pre_queue_number: int | None = None
    drawn_at: datetime | None = None


def of(
    connection: Connection, event_id: EventId, buyer_id: BuyerId, *, number: int, return_number: int | None
) -> QueueWay:
    """The way of this number; one who came back was let in by the return number."""
    asked = {"event_id": event_id, "number": number}
    joined = connection.execute(_JOINED, {**asked, "buyer_id": buyer_id}).one_or_none()
    called = connection.execute(_CALLED, asked).one_or_none()
    passed_at = called.at if called is not None and called.passed else None
    if return_number is not None:
        called = connection.execute(_CALLED_BACK, {**asked, "number": return_number}).one_or_none()
    elif passed_at is not None:
        called = None
    admitted_at, run = (called.at, called.seq) if called is not None else (None, None)
    if joined is None:
        return QueueWay(number, return_number, None, passed_at, admitted_at, run)
    pre_queue = joined.number if joined.drawn_at else None
    return QueueWay(number, return_number, joined.joined_at, passed_at, admitted_at, run, pre_queue, joined.drawn_at)


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A ticket that somebody wished for and another booking had at the time; None: the other has it still."""

    ticket_id: TicketId
    number: int
    taken_at: datetime
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A queue that a buyer joined: under which number, and how far it was called when the last run was journaled.

    `revoked`: why staff took the place out, where they did.
    """

    event_id: EventId
    event_name: str
    number: int
    joined_at: datetime
    called: int
    revoked: str | None


def in_the_way(connection: Connection, booking: Booking) -> tuple[InTheWay, ...]:
    """Of the tickets that the booking named, those that others had when it was decided."""
    named = [ticket for wish in booking.wishes for ticket in wish.tickets]
    if not named or booking.decided_at is None:
        return ()
    asked = {"event_id": booking.event_id, "id": booking.id, "tickets": named, "at": booking.decided_at}
    return tuple(InTheWay(*row) for row in connection.execute(_IN_THE_WAY, asked))


def queues_of(connection: Connection, buyer_id: BuyerId) -> tuple[Joined, ...]:
    """Every queue that this buyer joined, as far as it is journaled; reads the whole journal."""
    return tuple(Joined(*row) for row in connection.execute(_QUEUES_OF, {"buyer_id": buyer_id}))


_IN_THE_WAY = text("""
    SELECT t.ticket_id, b.number, t.taken_at, t.released_at
      FROM booking_tickets t JOIN bookings b ON b.event_id = t.event_id AND b.id = t.booking_id
     WHERE t.event_id = :event_id AND t.ticket_id = ANY (CAST(:tickets AS bigint[])) AND t.booking_id <> :id
       AND t.taken_at <= :at AND (t.released_at IS NULL OR t.released_at > :at)
     ORDER BY t.ticket_id
""")
_QUEUES_OF = text("""
    SELECT j.event_id, e.name, j.number, j.joined_at,
           coalesce((SELECT max(last) FROM admission_log a WHERE a.event_id = j.event_id), 0),
           (SELECT string_agg(r.reason, '; ' ORDER BY r.made_at)
              FROM revoked_places p JOIN revocations r ON r.event_id = p.event_id AND r.id = p.revocation_id
             WHERE p.event_id = j.event_id AND p.number = j.number AND r.undone_at IS NULL)
      FROM join_journal j JOIN events e ON e.id = j.event_id
     WHERE j.buyer_id = :buyer_id OR EXISTS (
           SELECT FROM place_handovers h WHERE h.event_id = j.event_id AND h.from_buyer = j.buyer_id
              AND h.to_buyer = :buyer_id AND j.number = h.number)
     ORDER BY j.joined_at
""")
_JOINED = text("""
    SELECT j.joined_at, j.number, d.held_at AS drawn_at
      FROM join_journal j LEFT JOIN draws d ON d.event_id = j.event_id AND d.key IS NOT NULL AND j.number <= d.size
     WHERE j.event_id = :event_id
       -- A guest who signed in has joined for the account. An array: the journal is asked by its index.
       AND j.buyer_id = ANY (CAST(:buyer_id AS uuid) || ARRAY(
           SELECT from_buyer FROM place_handovers WHERE event_id = :event_id AND to_buyer = :buyer_id))
       -- Of those drawn the number is another one, and among the same.
       AND (j.number = :number OR :number <= d.size)
     -- Of two places that became one the one that counts.
     ORDER BY (d.held_at IS NULL) DESC, EXISTS (
              SELECT FROM place_handovers WHERE event_id = :event_id AND to_buyer = :buyer_id AND given_up = j.number),
           j.number
     LIMIT 1
""")
_CALLED = text("""
    SELECT seq, at, EXISTS (SELECT FROM jsonb_array_elements(passed) AS one
                             WHERE :number BETWEEN (one ->> 0)::bigint AND (one ->> 1)::bigint) AS passed
      FROM admission_log
     WHERE event_id = :event_id AND :number BETWEEN first AND last ORDER BY seq LIMIT 1
""")
_CALLED_BACK = text("""
    SELECT seq, at FROM admission_log
     WHERE event_id = :event_id AND :number BETWEEN return_first AND return_last ORDER BY seq LIMIT 1
""")
