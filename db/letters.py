"""Letters to buyers: each is written by the statement that makes the move it tells of, and sent by the mail worker.

Those about no booking are written by `db/buyer_letters.py`. Why a letter whose sending was cut off is not sent again by
itself: docs/decisions/0058.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from onsale.db import sql
from onsale.db.ids import BookingId, BuyerId, EventId, event_of_booking
from onsale.errors import IllegalMove, NotFound

# A try is over long before; a worker that was stopped for longer has lost the letter (`version` says so).
LEASE_SECONDS = 180
# Ten seconds after the first try, twice as long each time, at most an hour: 40 tries are a day and a half.
BACK_OFF_SECONDS = 10
BACK_OFF_SECONDS_MAX = 3_600
TRIES_MAX = 40
# While the server itself is away no letter's tries are used up; then an operator decides.
AWAY_SECONDS = 30
WAIT_SECONDS_MAX = 3 * 24 * 3_600
LISTED_MAX = 500
GIVEN_UP_MAX = 500
# What has been stuck for longer somebody has seen, and left as it is.
STUCK_SECONDS = 24 * 3_600
# Words of a mail server that are kept.
WHY_CHARACTERS_MAX = 300


class LetterKind(StrEnum):
    """What a letter is about; the most urgent first."""

    NEEDS_BUYER = "needs_buyer"
    TICKET_BACK = "ticket_back"
    TURN_NEAR = "turn_near"
    SALE_OPENS = "sale_opens"
    TICKETS = "tickets"
    EVENT_CANCELLED = "event_cancelled"
    REFUNDED = "refunded"


# To a buyer about an event; they may ask for no more of them.
ASKED_FOR = frozenset({LetterKind.TICKET_BACK, LetterKind.TURN_NEAR, LetterKind.SALE_OPENS})


class LetterState(StrEnum):
    """How far a letter has got. SENDING: from here on the mail server may have it. UNCLEAR: nobody knows if it has.

    DROPPED: what it would say was no longer so.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNCLEAR = "unclear"
    FAILED = "failed"
    DROPPED = "dropped"


S = LetterState

LEGAL_MOVES: dict[LetterState, frozenset[LetterState]] = {
    S.WAITING: frozenset({S.WAITING, S.SENDING, S.FAILED, S.DROPPED}),
    # Back to waiting only by the server's own word that it did not take the letter.
    S.SENDING: frozenset({S.SENT, S.WAITING, S.FAILED, S.UNCLEAR}),
    # Sent: by a worker that was given up and had its answer after all. Waiting: by an operator.
    S.UNCLEAR: frozenset({S.SENT, S.WAITING}),
    S.FAILED: frozenset({S.WAITING}),
    S.SENT: frozenset(),
    S.DROPPED: frozenset(),
}
STUCK = frozenset({S.UNCLEAR, S.FAILED})


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it stands; `version` changes whenever somebody takes it, so that one who lost it can do nothing.

    `since`: when its first try was due, or when an operator asked for it once more.
    """

    id: UUID
    event_id: EventId
    # None: about an event, to `buyer_id`, on this `occasion`.
    booking_id: BookingId | None
    kind: LetterKind
    address: str
    state: LetterState
    version: int
    tries: int
    since: datetime
    due_at: datetime
    why: str | None
    created_at: datetime
    updated_at: datetime
    buyer_id: BuyerId | None = None
    occasion: str | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many letters have not been sent: all that wait, and those that failed or became unclear within a day.

    `late_seconds`: how long the oldest has been waiting; None when none waits.
    """

    by_state: Mapping[LetterState, int]
    late_seconds: float | None


def claim(connection: Connection) -> Letter | None:
    """Take the most urgent letter that is due, for a while; None when there is none. It counts as a try."""
    for kind in LetterKind:
        if row := connection.execute(sql.load("claim_letter"), {**_CLAIMING, "kind": kind.value}).one_or_none():
            return _letter(row)
    return None


def begin_sending(connection: Connection, letter: Letter) -> bool:
    """waiting -> sending, to be committed before the server may take it. False: somebody else has the letter now."""
    return _move(connection, letter, S.SENDING)


def end(connection: Connection, letter: Letter, state: LetterState, *, why: str | None = None) -> bool:
    """The letter is sent, unclear, failed or dropped. False: somebody else has it now, or this is no legal move."""
    return _move(connection, letter, state, why=why)


def put_off(connection: Connection, letter: Letter, *, why: str) -> LetterState:
    """The server did not take it now: it waits for its next try, or has failed after the last one."""
    state = S.FAILED if letter.tries >= TRIES_MAX else S.WAITING
    _move(connection, letter, state, why=why)
    return state


def not_tried(connection: Connection, letter: Letter, *, why: str) -> bool:
    """The server was away, which is not this letter's fault: it is due again soon, with as many tries as before."""
    return _move(connection, letter, S.WAITING, why=why, untried=True)


def give_up(connection: Connection) -> tuple[Letter, ...]:
    """What a dead worker left in the middle of sending is unclear; what was tried too often or too long has failed."""
    arguments = {"tries_max": TRIES_MAX, "seconds_max": WAIT_SECONDS_MAX, "limit": GIVEN_UP_MAX}
    return tuple(_letter(row) for row in connection.execute(_GIVE_UP, arguments))


def any_due(connection: Connection) -> bool:
    """Whether there is something to send, or to give up."""
    return bool(connection.execute(_ANY_DUE).scalar_one())


def retry(connection: Connection, letter_id: UUID) -> Letter:
    """Send an unclear or failed letter once more, with as many tries as at first. NotFound; IllegalMove otherwise."""
    arguments = {"id": letter_id, "before": _before(S.WAITING, among=STUCK)}
    row = connection.execute(_RETRY, arguments).one_or_none()
    if row is not None:
        return _letter(row)
    raise NotFound if get(connection, letter_id) is None else IllegalMove


def get(connection: Connection, letter_id: UUID) -> Letter | None:
    """The letter with this id."""
    row = connection.execute(_GET, {"id": letter_id}).one_or_none()
    return _letter(row) if row else None


def of_booking(connection: Connection, booking_id: BookingId) -> tuple[Letter, ...]:
    """The letters about a booking, oldest first."""
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id}
    return tuple(_letter(row) for row in connection.execute(_OF_BOOKING, arguments))


def listed(connection: Connection, states: Collection[LetterState], *, limit: int = 50) -> tuple[Letter, ...]:
    """Letters in one of these states, newest first."""
    arguments = {"states": [state.value for state in states], "limit": min(limit, LISTED_MAX)}
    return tuple(_letter(row) for row in connection.execute(_LISTED, arguments))


def numbers(connection: Connection) -> Numbers:
    """What waits, is stuck or is late; what was sent is not counted, which would read the whole table."""
    rows = list(connection.execute(_NUMBERS, {"seconds": STUCK_SECONDS}))
    late = [row.late_seconds for row in rows if row.late_seconds is not None]
    return Numbers({S(row.state): row.many for row in rows}, max(late, default=None))


def _move(
    connection: Connection, letter: Letter, state: LetterState, *, why: str | None = None, untried: bool = False
) -> bool:
    arguments = {
        "id": letter.id,
        "version": letter.version,
        "state": state.value,
        "before": _before(state),
        "why": why and why[:WHY_CHARACTERS_MAX],
        "untried": untried,
        "away": AWAY_SECONDS,
        **_BACK_OFF,
    }
    return connection.execute(_MOVE, arguments).rowcount == 1


def _before(state: LetterState, *, among: Collection[LetterState] = tuple(LetterState)) -> list[str]:
    return [before.value for before in among if state in LEGAL_MOVES[before]]


def _letter(row: Row[Any]) -> Letter:
    kept = dict(row._mapping)
    return Letter(**{**kept, "kind": LetterKind(row.kind), "state": LetterState(row.state)})


_BACK_OFF = {"first": BACK_OFF_SECONDS, "most": BACK_OFF_SECONDS_MAX, "lease": LEASE_SECONDS}
_CLAIMING = {**_BACK_OFF, "tries_max": TRIES_MAX}
_MOVE = text("""
    UPDATE letters
       SET state = :state, why = :why, updated_at = clock_timestamp(),
           tries = tries - CASE WHEN :untried AND tries > 0 THEN 1 ELSE 0 END,
           due_at = clock_timestamp() + interval '1 second' *
                    CASE WHEN :untried THEN CAST(:away AS float) WHEN :state = 'waiting'
                         THEN least(:first * 2 ^ least(tries - 1, 20), CAST(:most AS float)) ELSE :lease END
     WHERE id = :id AND version = :version AND state = ANY (CAST(:before AS text[]))
""")
_GIVE_UP = text("""
    WITH over AS (
        SELECT id FROM letters
         WHERE state IN ('waiting', 'sending') AND due_at <= clock_timestamp()
           AND (state = 'sending' OR tries >= :tries_max
                OR since <= clock_timestamp() - :seconds_max * interval '1 second')
         LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE letters l
       SET state = CASE l.state WHEN 'sending' THEN 'unclear' ELSE 'failed' END, updated_at = clock_timestamp(),
           why = CASE WHEN l.state = 'waiting' AND l.why IS NOT NULL THEN l.why
                      ELSE 'The worker that had it did not come back.' END
      FROM over
     WHERE l.id = over.id
    RETURNING l.*
""")
_ANY_DUE = text("""
    SELECT EXISTS (SELECT FROM letters WHERE state IN ('waiting', 'sending') AND due_at <= clock_timestamp())
""")
_RETRY = text("""
    UPDATE letters
       SET state = 'waiting', version = version + 1, tries = 0, since = clock_timestamp(),
           due_at = clock_timestamp(), updated_at = clock_timestamp()
     WHERE id = :id AND state = ANY (CAST(:before AS text[]))
    RETURNING *
""")
_GET = text("SELECT * FROM letters WHERE id = :id")
_OF_BOOKING = text("SELECT * FROM letters WHERE event_id = :event_id AND booking_id = :id ORDER BY created_at, id")
_LISTED = text("""
    SELECT * FROM letters WHERE state = ANY (CAST(:states AS text[])) ORDER BY created_at DESC, id LIMIT :limit
""")
# `since`: a letter that is put off again and again is as late as it was.
_NUMBERS = text("""
    SELECT state, count(*) AS many,
           CAST(extract(epoch FROM clock_timestamp() - min(since) FILTER (WHERE state = 'waiting')) AS float)
               AS late_seconds
      FROM letters WHERE state IN ('waiting', 'sending') GROUP BY state
     UNION ALL  -- Each half by its index.
    SELECT state, count(*), NULL FROM letters
     WHERE state IN ('unclear', 'failed') AND updated_at > clock_timestamp() - :seconds * interval '1 second'
     GROUP BY state
""")
