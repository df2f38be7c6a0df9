"""Payments in the record: attempts, the one intent per booking, commit, capture, and what a crash left.

Everything here is a guarded move that may be made twice. What to ask the payment provider is decided by the worker's
`resume`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, text

from onsale.db import locks, sql
from onsale.db.bookings import Booking, booking_of, get_for_update
from onsale.db.ids import BookingId, BuyerId, event_of_booking
from onsale.db.intents import intent_created as intent_created
from onsale.db.intents import intent_seen as intent_seen
from onsale.db.payments import Attempt as Attempt
from onsale.db.payments import AttemptOutcome as AttemptOutcome
from onsale.db.payments import Charge as Charge
from onsale.db.payments import Payment as Payment
from onsale.db.payments import attempt_by_key, attempt_of, attempts, standing
from onsale.db.payments import charge_of as charge_of
from onsale.db.payments import newest_attempt as newest_attempt
from onsale.db.states import BookingState
from onsale.errors import HoldExpired, IdempotencyKeyReused, IllegalMove, NotFound

ATTEMPTS_MAX = 10
LEASE_SECONDS = 60
# A payment whose outcome comes in hours or days tells us by webhook; it is asked for so seldom in case that was lost.
PROCESSING_SECONDS = 600.0
# A booking may become committable while a twin is being re-read; more than once would be a miracle.
COMMIT_TRIES_MAX = 3

S = BookingState
_UNDER_WAY = (S.AUTHORISING, S.REQUIRES_ACTION)
_COMMITTED_OR_LATER = (S.COMMITTED, S.CONFIRMED, S.REFUNDING, S.REFUNDED)


class Commit(StrEnum):
    """What `commit` found: it did it now, a twin (or an earlier run) had done it, or the hold is gone and nothing may
    be charged.
    """

    DONE = "done"
    ALREADY = "already"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook event and the booking it is about: `state` is None when there is no such booking.

    `new` False: the event came before. `worked_on`: somebody has the lease, and is asking the provider now.
    """

    new: bool
    state: BookingState | None
    worked_on: bool


@dataclass(frozen=True, slots=True)
class IntentToCancel:
    """An intent that may still hold or take money although its booking ended without tickets."""

    booking_id: BookingId
    intent_id: str
    captured_minor: int


def new_attempt(
    connection: Connection,
    booking_id: BookingId,
    *,
    payment_method: str,
    return_url: str = "",
    buyer_id: BuyerId | None = None,
    key: str | None = None,
    first: bool = False,
) -> Attempt:
    """held or requires_action -> authorising with this card; the same UPDATE makes the hold last at least pay_seconds.

    What a bank still asks about an earlier card may be answered until this one was sent.

    The same `key` again, whatever came of it, the same card while it is under way, any card if `first`: that attempt.
    IdempotencyKeyReused when the key came with another card; HoldExpired past the deadline; IllegalMove in any other
    state, with another card being authorised, or after ATTEMPTS_MAX cards; NotFound when `buyer_id` is given and it
    is not theirs.
    """
    booking = get_for_update(connection, booking_id)
    if booking is None or buyer_id not in (None, booking.buyer_id):
        raise NotFound
    keyed = attempt_by_key(connection, booking_id, key) if key else None
    if keyed is not None:
        if keyed.payment_method != payment_method:
            raise IdempotencyKeyReused
        return keyed
    tried = attempts(connection, booking_id)
    before = standing(tried)
    if before and (first or (booking.state in _UNDER_WAY and before.payment_method == payment_method)):
        return before
    number = len(tried) + 1
    if booking.voiding or booking.state not in (S.HELD, S.REQUIRES_ACTION) or number > ATTEMPTS_MAX:
        raise HoldExpired if booking.state is S.EXPIRED else IllegalMove
    asked = {"attempt": number, "payment_method": payment_method, "return_url": return_url, "key": key}
    row = connection.execute(sql.load("new_attempt"), {**_of(booking_id), **asked}).one_or_none()
    if row is None:
        raise HoldExpired
    return attempt_of(row)


def claim(
    connection: Connection, booking_id: BookingId, *, claimant: int | None = None, lease_seconds: int = LEASE_SECONDS
) -> bool:
    """Take the booking's payment for a while; False when someone else has it.

    It saves calls to the provider. And its commit, confirmed, says that the standby has all that was read before.
    `claimant` is a `Claimant`'s number; without one nobody can tell that its taker is gone, and the lease runs out.
    """
    asked = {**_of(booking_id), "claimant": claimant, "seconds": lease_seconds}
    return connection.execute(_CLAIM, asked).rowcount == 1


def unclaim(connection: Connection, booking_id: BookingId) -> None:
    """Give the lease back early, in a transaction of its own. `stuck` leaves the booking alone for a while after."""
    connection.execute(_UNCLAIM, _of(booking_id))


def forsaken(connection: Connection) -> tuple[BookingId, ...]:
    """Give back the leases of processes that are gone; whose payments those are, to be looked after now.

    A process that has just lost its connection counts as gone: its payment may get a twin, which harms nothing.
    """
    return tuple(BookingId(row.id) for row in connection.execute(_FORSAKEN, {"work": locks.WORK}))


def declined(
    connection: Connection,
    booking_id: BookingId,
    attempt: int,
    *,
    decline_code: str,
    message: str,
    heard: bool = True,
    provider_method: str | None = None,
) -> Booking | None:
    """authorising or requires_action -> held, and the attempt is over; the deadline stays. A letter tells a buyer who
    is away. `heard` False: no bank was asked about this card, so one that asks about an earlier one still does, and
    it is that one's turn again (-> requires_action).

    None: not in these states any more, being voided, over already, or another card is the newest.
    """
    outcome = Outcome(AttemptOutcome.DECLINED, provider_method, decline_code=decline_code, message=message, heard=heard)
    return _move(connection, booking_id, attempt, outcome, state=S.HELD, before=_UNDER_WAY)


def requires_action(
    connection: Connection,
    booking_id: BookingId,
    attempt: int,
    *,
    next_action_url: str,
    provider_method: str | None = None,
) -> Booking | None:
    """authorising -> requires_action: the buyer must confirm with their bank; a letter tells one who is away.

    None: not in this state (any more).
    """
    outcome = Outcome(AttemptOutcome.REQUIRES_ACTION, provider_method, next_action_url=next_action_url)
    return _move(connection, booking_id, attempt, outcome, state=S.REQUIRES_ACTION, before=(S.AUTHORISING,))


def authorised(
    connection: Connection, booking_id: BookingId, attempt: int, *, provider_method: str | None = None
) -> Booking | None:
    """authorising or requires_action -> authorised: the money is reserved. None: not in these states (any more)."""
    outcome = Outcome(AttemptOutcome.AUTHORISED, provider_method)
    return _move(connection, booking_id, attempt, outcome, state=S.AUTHORISED, before=_UNDER_WAY)


def commit(connection: Connection, booking_id: BookingId, *, twin_guard: bool = True) -> Commit:
    """Sell the tickets by the hold's version and move authorised -> committed (one that costs nothing: held ->
    committed).

    Safe with any number of twins: one that updates nothing re-reads the booking FOR UPDATE and says ALREADY when it
    is committed or later. `twin_guard=False` leaves the re-reading out (the guard's negative control). GONE: voiding,
    ended, or its tickets are not its own any more; nothing was written. IllegalMove: it has not been authorised.
    """
    for _ in range(COMMIT_TRIES_MAX):
        row = connection.execute(sql.load("commit_booking"), _of(booking_id)).one()
        if row.committed:
            return Commit.DONE
        if row.sold:
            # Half a sale: only code that frees tickets without their booking's lock gets here. The transaction must go.
            raise IllegalMove(f"booking {booking_id} lost tickets while it was committed")
        if row.found or not twin_guard:
            return Commit.GONE
        booking = get_for_update(connection, booking_id)
        if booking is None:
            raise NotFound
        if booking.state in _COMMITTED_OR_LATER:
            return Commit.ALREADY
        if booking.voiding or booking.ended_at is not None:
            return Commit.GONE
        if booking.state is not S.AUTHORISED and (booking.state is not S.HELD or booking.amount_minor):
            raise IllegalMove
    return Commit.GONE


def captured(connection: Connection, booking_id: BookingId, *, amount_minor: int) -> bool:
    """The money is taken: write the capture and the letter with the tickets, move committed -> confirmed. False when
    that was done before.
    """
    arguments = {**_of(booking_id), "amount_minor": amount_minor}
    return bool(connection.execute(sql.load("capture"), arguments).scalar_one())


def confirm_without_charge(connection: Connection, booking_id: BookingId) -> bool:
    """committed -> confirmed for a booking that costs nothing, and its letter. False when that was done before."""
    return bool(connection.execute(sql.load("confirm_without_charge"), _of(booking_id)).scalar_one())


def webhook_received(
    connection: Connection, webhook_event_id: str, kind: str, *, booking_id: BookingId | None = None
) -> Received:
    """Remember the event, once, and tell how far the record is with its booking."""
    about = {"event_id": event_of_booking(booking_id) if booking_id else None, "booking_id": booking_id}
    row = connection.execute(_WEBHOOK_RECEIVED, {"id": webhook_event_id, "type": kind, **about}).one()
    return Received(row.new, BookingState(row.state) if row.state else None, bool(row.worked_on))


def unpaid_with_card(connection: Connection, *, older_than_seconds: float, limit: int = 500) -> tuple[BookingId, ...]:
    """Held bookings that go on by themselves, with a saved card not tried yet or nothing to pay: their wake-up may be
    lost. In number order.
    """
    arguments = {"seconds": older_than_seconds, "limit": limit}
    return tuple(connection.execute(_UNPAID_WITH_CARD, arguments).scalars())


def stuck(connection: Connection, *, older_than_seconds: float, limit: int = 500) -> tuple[BookingId, ...]:
    """Bookings with a payment under way, voiding or committed, without a move or a lease so long; oldest first."""
    return tuple(connection.execute(_STUCK, _older(older_than_seconds, limit)).scalars())


def to_cancel(
    connection: Connection, *, older_than_seconds: float = 0.0, limit: int = 500
) -> tuple[IntentToCancel, ...]:
    """Intents neither cancelled nor refunded whose booking ended without tickets."""
    rows = connection.execute(_TO_CANCEL, _older(older_than_seconds, limit))
    return tuple(IntentToCancel(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is written about an attempt; `provider_method`: the card in the provider's words, if it was asked."""

    outcome: AttemptOutcome
    provider_method: str | None = None
    decline_code: str | None = None
    message: str | None = None
    next_action_url: str | None = None
    heard: bool = True


def _move(
    connection: Connection,
    booking_id: BookingId,
    attempt: int,
    outcome: Outcome,
    *,
    state: BookingState,
    before: tuple[BookingState, ...],
) -> Booking | None:
    arguments = {
        **_of(booking_id),
        "attempt": attempt,
        "state": state.value,
        "before": [one.value for one in before],
        # What is authorised must be known even of a booking that is being voided: the money is to be let go.
        "also_voiding": state is S.AUTHORISED,
        "outcome": outcome.outcome.value,
        "decline_code": outcome.decline_code,
        "message": outcome.message,
        "next_action_url": outcome.next_action_url,
        "provider_method": outcome.provider_method,
        "heard": outcome.heard,
    }
    row = connection.execute(sql.load("attempt_outcome"), arguments).one_or_none()
    return booking_of(row) if row else None


def _older(seconds: float, limit: int) -> dict[str, object]:
    return {"seconds": seconds, "processing_seconds": PROCESSING_SECONDS, "limit": limit}


def _of(booking_id: BookingId) -> dict[str, object]:
    return {"event_id": event_of_booking(booking_id), "id": booking_id}


_CLAIM = text("""
    UPDATE bookings
       SET claimed_until = clock_timestamp() + :seconds * interval '1 second', claimed_by = CAST(:claimant AS bigint)
     WHERE event_id = :event_id AND id = :id AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
""")
# Waits for no disk and no standby: a lease given back and forgotten runs out.
_UNCLAIM = text("""
    WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE bookings SET claimed_until = clock_timestamp()
      FROM relaxed
     WHERE event_id = :event_id AND id = :id AND claimed_until > clock_timestamp()
""")
_FORSAKEN = text("""
    WITH alive AS MATERIALIZED (
        SELECT CAST(objid AS bigint) AS number FROM pg_locks
         WHERE locktype = 'advisory' AND classid = CAST(CAST(:work AS bigint) AS oid) AND objsubid = 1 AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ), payable AS (
        SELECT event_id, id FROM bookings
         WHERE state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed')
        UNION
        SELECT event_id, booking_id FROM payments WHERE NOT settled
        UNION
        SELECT event_id, booking_id FROM refunds WHERE state IN ('requested', 'sent', 'failed')
    )
    UPDATE bookings b SET claimed_until = clock_timestamp()
      FROM payable p
     WHERE b.event_id = p.event_id AND b.id = p.id AND b.claimed_until > clock_timestamp()
       AND b.claimed_by IS NOT NULL AND NOT EXISTS (SELECT FROM alive a WHERE a.number = b.claimed_by)
    RETURNING b.id
""")
# Waits for no disk and no standby: what is forgotten comes again or is asked for, and a wake-up twice does no harm.
_WEBHOOK_RECEIVED = text("""
    WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    noted AS (INSERT INTO webhook_events (id, type) SELECT :id, :type FROM relaxed ON CONFLICT DO NOTHING RETURNING id)
    SELECT EXISTS (SELECT FROM noted) AS new, b.state, b.claimed_until > clock_timestamp() AS worked_on
      FROM (SELECT) AS told
      LEFT JOIN bookings b ON b.event_id = CAST(:event_id AS bigint) AND b.id = CAST(:booking_id AS uuid)
""")
_UNPAID_WITH_CARD = text("""
    SELECT b.id FROM bookings b
     WHERE b.state = 'held' AND NOT b.voiding AND (b.payment_method IS NOT NULL OR b.amount_minor = 0)
       AND b.hold_until > clock_timestamp()
       AND b.decided_at <= clock_timestamp() - :seconds * interval '1 second'
       AND NOT EXISTS (SELECT FROM payment_attempts a WHERE a.event_id = b.event_id AND a.booking_id = b.id)
     ORDER BY b.number, b.created_at LIMIT :limit
""")
_STUCK = text("""
    SELECT b.id
      FROM bookings b
     CROSS JOIN LATERAL (SELECT max(h.at) AS moved_at FROM booking_history h
                          WHERE h.event_id = b.event_id AND h.booking_id = b.id) AS last
     WHERE (b.state IN ('authorising', 'requires_action', 'authorised', 'committed')
            OR (b.state = 'held' AND b.voiding))
       AND greatest(last.moved_at, b.claimed_until) <= clock_timestamp() - interval '1 second'
           * CASE WHEN EXISTS (SELECT FROM payment_attempts a WHERE a.event_id = b.event_id AND a.booking_id = b.id
                                AND a.outcome = 'pending' AND a.processing_until > clock_timestamp())
                  THEN greatest(:seconds, :processing_seconds) ELSE :seconds END
     ORDER BY last.moved_at LIMIT :limit
""")
_TO_CANCEL = text("""
    SELECT p.booking_id, p.intent_id, p.captured_minor
      FROM payments p JOIN bookings b ON b.event_id = p.event_id AND b.id = p.booking_id
     WHERE NOT p.settled AND b.state IN ('expired', 'cancelled', 'payment_failed', 'failed', 'unavailable', 'sold_out')
       AND p.updated_at <= clock_timestamp() - interval '1 second'
           * CASE p.status WHEN 'processing' THEN greatest(:seconds, :processing_seconds) ELSE :seconds END
     ORDER BY p.updated_at LIMIT :limit
""")
