"""Refunds in the record: what is owed to whom, and each guarded move until the bank has given it back.

They are asked for in `refund_requests.py`; what to ask the payment provider is decided by the worker's `settle`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from onsale.db import sql
from onsale.db.ids import BookingId, EventId, TicketId, event_of_booking
from onsale.db.states import BookingState

# Five minutes after the first refusal, twice as long each time, at most a day: ten tries are two days.
BACK_OFF_SECONDS = 300
BACK_OFF_SECONDS_MAX = 24 * 3_600
ATTEMPTS_MAX = 10
# Sent, and nothing heard: the provider is asked what became of it. A bank that says "pending" takes hours.
SENT_SECONDS = 60
PENDING_SECONDS = 3_600
# A bank may send back what had succeeded, and the provider's word of it may get lost: it is asked at these ages again.
HOUR, DAY = 3_600, 24 * 3_600
LOOK_AGES_SECONDS = (HOUR, DAY, 7 * DAY, 30 * DAY)
WHY_CHARACTERS_MAX = 300
NOTE_CHARACTERS_MAX = 280
LISTED_MAX = 200


class RefundReason(StrEnum):
    """Why money is given back."""

    BUYER_CANCELLED = "buyer_cancelled"
    ORGANISER = "organiser"
    EVENT_CANCELLED = "event_cancelled"


class Elsewhere(StrEnum):
    """How money went back without a refund of ours: PROVIDER made it for somebody else (by hand, in its dashboard),
    DISPUTE: the buyer's bank took it, OUTSIDE: the organiser paid in another way.
    """

    PROVIDER = "provider"
    DISPUTE = "dispute"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Paid:
    """Money that went back elsewhere; `by` is who said so, `note` how, for staff and the buyer to read."""

    way: Elsewhere
    by: str
    note: str


class RefundState(StrEnum):
    """How far a refund has got: `requested -> sent -> succeeded`, or `sent -> failed -> requested` under another key.

    SENT: the provider may have it. FAILED: it has not, and is asked again at `due_at`. SUCCEEDED goes back to SENT when
    the provider says that something changed: a bank may send money back days later.
    """

    REQUESTED = "requested"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


S = RefundState


@dataclass(frozen=True, slots=True)
class Refund:
    """What is given back for some tickets of a booking; `kept_minor` of their price stays with the organiser.

    `asked_by` is `buyer`, `staff:<id>` or `event`; `why` is what the provider said when it refused. `paid_elsewhere`,
    `paid_by` and `paid_note` are those of `Paid`.
    """

    id: UUID
    event_id: EventId
    booking_id: BookingId
    tickets: int
    amount_minor: int
    kept_minor: int
    currency: str
    reason: RefundReason
    asked_by: str
    state: RefundState
    attempt: int
    provider_refund_id: str | None
    why: str | None
    request_hash: bytes | None = field(repr=False)
    due_at: datetime
    requested_at: datetime
    ended_at: datetime | None
    paid_elsewhere: Elsewhere | None = None
    paid_by: str | None = None
    paid_note: str | None = None

    @property
    def key(self) -> str:
        """The provider's Idempotency-Key. Another one only after it has refused for good, and nothing was moved."""
        return str(self.id) if self.attempt == 1 else f"{self.id}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Failing:
    """Refunds that the provider refuses for now; `given_up`: those of them that are an operator's from here on."""

    count: int
    given_up: int


NONE_FAILING = Failing(0, 0)


def is_owed(given: Iterable[Refund], state: BookingState) -> bool:
    """Whether a buyer waits for money longer than the booking's state tells: the bank refuses it, or sent it back."""
    if state is BookingState.REFUNDING:
        return any(refund.state is RefundState.FAILED for refund in given)
    return any(refund.state is not RefundState.SUCCEEDED for refund in given)


def of_booking(connection: Connection, booking_id: BookingId) -> tuple[Refund, ...]:
    """The booking's refunds, oldest first."""
    return tuple(refund_of(row) for row in connection.execute(_OF_BOOKING, _of(booking_id)))


def of_bookings(connection: Connection, booking_ids: Collection[BookingId]) -> Mapping[BookingId, tuple[Refund, ...]]:
    """The refunds of these bookings, oldest first; of bookings without any, nothing."""
    if not booking_ids:
        return {}
    arguments = {"event_ids": list({event_of_booking(one) for one in booking_ids}), "ids": list(booking_ids)}
    found: dict[BookingId, list[Refund]] = {}
    for row in connection.execute(_OF_BOOKINGS, arguments):
        found.setdefault(row.booking_id, []).append(refund_of(row))
    return {booking_id: tuple(given) for booking_id, given in found.items()}


def voided(connection: Connection, booking_id: BookingId) -> dict[TicketId, UUID]:
    """The tickets that the booking gave back, and by which refund each."""
    return {TicketId(ticket): refund for ticket, refund in connection.execute(_VOIDED, _of(booking_id))}


def get(connection: Connection, refund_id: UUID) -> Refund | None:
    """The refund with this id."""
    row = connection.execute(_GET, {"id": refund_id}).one_or_none()
    return refund_of(row) if row else None


def open_of_booking(connection: Connection, booking_id: BookingId) -> tuple[Refund, ...]:
    """What a worker may carry on now: asked for, sent, or failed and due again."""
    arguments = {**_of(booking_id), "attempts_max": ATTEMPTS_MAX}
    return tuple(refund_of(row) for row in connection.execute(_OPEN_OF_BOOKING, arguments))


def due(
    connection: Connection,
    *,
    older_than_seconds: float = 0.0,
    forsaken: Collection[BookingId] = (),
    limit: int = 200,
) -> tuple[BookingId, ...]:
    """Bookings with a refund nobody carries on, those that wait longest first; at once if their worker is gone."""
    arguments = {
        "seconds": older_than_seconds,
        "forsaken": [str(booking_id) for booking_id in forsaken],
        "attempts_max": ATTEMPTS_MAX,
        "limit": limit,
    }
    return tuple(dict.fromkeys(connection.execute(_DUE, arguments).scalars()))


def failed(connection: Connection, event_id: EventId) -> tuple[Refund, ...]:
    """The event's refunds that the provider refuses, newest first; at most LISTED_MAX."""
    return tuple(
        refund_of(row) for row in connection.execute(_FAILED_OF_EVENT, {"event_id": event_id, "limit": LISTED_MAX})
    )


def failing(connection: Connection) -> Failing:
    """What the provider refuses to give back, over all events: buyers with neither tickets nor money."""
    return Failing(*connection.execute(_FAILING, {"attempts_max": ATTEMPTS_MAX}).one())


def sending(connection: Connection, refund: Refund) -> bool:
    """requested -> sent, committed before the provider is asked: from here on it may have it. False: somebody else."""
    return _move(connection, refund, S.SENT, before=S.REQUESTED, after_seconds=SENT_SECONDS)


def pending(connection: Connection, refund: Refund, *, provider_refund_id: str) -> None:
    """The provider has it and the bank takes its time."""
    arguments = {"id": refund.id, "provider_refund_id": provider_refund_id, "seconds": PENDING_SECONDS}
    connection.execute(_PENDING, arguments)


def succeeded(connection: Connection, refund: Refund, *, provider_refund_id: str | None) -> bool:
    """The money is back: the booking is refunded, or confirmed with the tickets it keeps. False: that was known."""
    return _ended(connection, refund, {"provider_refund_id": provider_refund_id, "before": [S.REQUESTED, S.SENT]})


def paid_elsewhere(connection: Connection, refund: Refund, paid: Paid) -> bool:
    """The same, of money that went back without us. False: the refund is not as it was read any more."""
    said = {"way": paid.way.value, "by": paid.by, "note": paid.note[:NOTE_CHARACTERS_MAX]}
    return _ended(connection, refund, {**said, "before": [refund.state]})


def _ended(connection: Connection, refund: Refund, arguments: Mapping[str, object]) -> bool:
    # The letter tells of all refunds until it is sent; one about those before makes room for it.
    connection.execute(_FORGET_LETTER, _of(refund.booking_id))
    nothing = dict.fromkeys(("provider_refund_id", "way", "by", "note"))
    which = {"refund_id": refund.id, "attempt": refund.attempt, "first_look_seconds": LOOK_AGES_SECONDS[0]}
    asked = {**nothing, **which, **arguments}
    return bool(connection.execute(sql.load("refund_succeeded"), asked).scalar_one())


def refused(connection: Connection, refund: Refund, *, why: str) -> bool:
    """sent -> failed: the provider has not given it back, and is asked again later under another key."""
    seconds = min(BACK_OFF_SECONDS * 2 ** (refund.attempt - 1), BACK_OFF_SECONDS_MAX)
    return _move(connection, refund, S.FAILED, before=S.SENT, after_seconds=seconds, why=why[:WHY_CHARACTERS_MAX])


def again(connection: Connection, refund: Refund) -> Refund | None:
    """failed -> requested under the next key. None: it is not failed any more."""
    row = connection.execute(_AGAIN, {"id": refund.id, "attempt": refund.attempt}).one_or_none()
    return refund_of(row) if row else None


def doubted(connection: Connection, provider_refund_id: str) -> None:
    """succeeded -> sent: the provider says that something changed about it, so it is asked."""
    connection.execute(_DOUBTED, {"provider_refund_id": provider_refund_id})


def look_again(connection: Connection, *, at_once: int) -> tuple[BookingId, ...]:
    """Mark the payments of refunds that are old enough for another look, as if the provider had told of them.

    Those that wait longest first, at most `at_once`; none while so many payments are still to be asked about.
    """
    arguments = {"ages": list(LOOK_AGES_SECONDS), "at_once": at_once}
    return tuple(connection.execute(sql.load("refund_looks_due"), arguments).scalars())


def refund_of(row: Row[Any]) -> Refund:
    """A refund from a row that has all columns of the table."""
    names = Refund.__dataclass_fields__
    kept = {name: value for name, value in row._mapping.items() if name in names}
    # The driver gives bytes as a memoryview, which equals nothing.
    request_hash = None if row.request_hash is None else bytes(row.request_hash)
    way = Elsewhere(row.paid_elsewhere) if row.paid_elsewhere else None
    words = {"reason": RefundReason(row.reason), "state": RefundState(row.state), "paid_elsewhere": way}
    return Refund(**{**kept, **words, "request_hash": request_hash})


def _move(
    connection: Connection,
    refund: Refund,
    state: RefundState,
    *,
    before: RefundState,
    after_seconds: float,
    why: str | None = None,
) -> bool:
    arguments = {
        "id": refund.id,
        "attempt": refund.attempt,
        "state": state.value,
        "before": before.value,
        "seconds": after_seconds,
        "why": why,
    }
    return connection.execute(_MOVE, arguments).rowcount == 1


def _of(booking_id: BookingId) -> dict[str, object]:
    return {"event_id": event_of_booking(booking_id), "id": booking_id}


_VOIDED = text("""
    SELECT ticket_id, refund_id FROM booking_tickets
     WHERE event_id = :event_id AND booking_id = :id AND refund_id IS NOT NULL
""")
_GET = text("SELECT * FROM refunds WHERE id = :id")
_OF_BOOKING = text("SELECT * FROM refunds WHERE event_id = :event_id AND booking_id = :id ORDER BY requested_at, id")
_OF_BOOKINGS = text("""
    SELECT * FROM refunds
     WHERE event_id = ANY (CAST(:event_ids AS bigint[])) AND booking_id = ANY (CAST(:ids AS uuid[]))
     ORDER BY requested_at, id
""")
_OPEN_OF_BOOKING = text("""
    SELECT * FROM refunds
     WHERE event_id = :event_id AND booking_id = :id
       AND (state IN ('requested', 'sent')
            OR (state = 'failed' AND due_at <= clock_timestamp() AND attempt < :attempts_max))
     ORDER BY requested_at, id
""")
_DUE = text("""
    SELECT r.booking_id FROM refunds r JOIN bookings b ON b.event_id = r.event_id AND b.id = r.booking_id
     WHERE r.state IN ('requested', 'sent', 'failed')
       AND (r.due_at <= clock_timestamp() - :seconds * interval '1 second'
            OR (r.state <> 'failed' AND r.booking_id = ANY (CAST(:forsaken AS uuid[]))))
       AND (r.state <> 'failed' OR r.attempt < :attempts_max)
       AND (b.claimed_until IS NULL OR b.claimed_until <= clock_timestamp())
     ORDER BY r.due_at LIMIT :limit
""")
_FAILED_OF_EVENT = text("""
    SELECT * FROM refunds WHERE event_id = :event_id AND state = 'failed' ORDER BY requested_at DESC, id LIMIT :limit
""")
_FAILING = text("""
    SELECT count(*), count(*) FILTER (WHERE attempt >= :attempts_max) FROM refunds WHERE state = 'failed'
""")
_MOVE = text("""
    UPDATE refunds
       SET state = :state, why = coalesce(:why, why), due_at = clock_timestamp() + :seconds * interval '1 second'
     WHERE id = :id AND attempt = :attempt AND state = :before
""")
_PENDING = text("""
    UPDATE refunds
       SET provider_refund_id = :provider_refund_id, due_at = clock_timestamp() + :seconds * interval '1 second'
     WHERE id = :id AND state = 'sent'
""")
_AGAIN = text("""
    UPDATE refunds
       SET state = 'requested', attempt = attempt + 1, provider_refund_id = NULL, due_at = clock_timestamp()
     WHERE id = :id AND attempt = :attempt AND state = 'failed'
    RETURNING *
""")
_DOUBTED = text("""
    UPDATE refunds SET state = 'sent', ended_at = NULL, due_at = clock_timestamp()
     WHERE provider_refund_id = :provider_refund_id AND state = 'succeeded'
""")
_FORGET_LETTER = text("""
    DELETE FROM letters
     WHERE event_id = :event_id AND booking_id = :id AND kind = 'refunded' AND state IN ('sent', 'failed', 'dropped')
""")
