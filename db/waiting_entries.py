"""Who is on a waiting list: joining it, showing being there, leaving it; and the line in the order of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.waiting_rules import InLine
from onsale.errors import HasTicketsAlready

# A sign of life counts for so long: three of the page's intervals. Who was asked for as long and gave none is away.
PRESENT_SECONDS = 150
# One more sign within this time changes nothing, and is not written.
SEEN_SECONDS = 20
# So many at the front of the line are asked to show that they are there.
FRONT_MAX = 1_000
TAKE_IN_MAX = 10_000
# After an offer that could not be met: as long until the next one.
REST_SECONDS = 60
SECTIONS_MAX = 5
# The unique index of those who are on a list.
ONE_A_NUMBER = "waiting_list_one_a_number"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody on the list wants. No sections: any; `tell`: write when a ticket comes back."""

    quantity: int = 1
    section_ids: tuple[int, ...] = ()
    max_price_minor: int | None = None
    tell: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One person on a list, as it stands. `ended_at` with `end_reason`: taken, lapsed, declined, left or limit."""

    event_id: EventId
    buyer_id: BuyerId
    number: int
    wanted: Wanted
    joined_at: datetime
    asleep: bool
    offer_id: BookingId | None
    ended_at: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How a list stands in numbers."""

    in_line: int
    present: int
    asleep: int
    offered: int
    taken: int
    lapsed: int
    declined: int


def put(connection: Connection, event_id: EventId, buyer_id: BuyerId, number: int, wanted: Wanted) -> bool:
    """Be on the list under this number, wanting this; True when it was not so before. Doing so is being there.

    Who is offered something keeps the offer, whatever is changed. Raises HasTicketsAlready when somebody else is on the
    list under this number: an offer that this buyer took as a guest and is paying this moment.
    """
    arguments = {
        "event_id": event_id,
        "buyer_id": buyer_id,
        "number": number,
        "quantity": wanted.quantity,
        "section_ids": list(wanted.section_ids),
        "max_price_minor": wanted.max_price_minor,
        "tell": wanted.tell,
    }
    before = get(connection, event_id, buyer_id)
    try:
        connection.execute(_PUT, arguments)
    except IntegrityError as error:
        if ONE_A_NUMBER in str(error.orig):
            raise HasTicketsAlready from error
        raise
    return before is None or before.ended_at is not None


def get(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> Entry | None:
    """This person's entry, also one that has ended."""
    row = connection.execute(_GET, {"event_id": event_id, "buyer_id": buyer_id}).one_or_none()
    return _entry(row) if row else None


def seen(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> bool:
    """They are there. True when it was written, False when there was no need."""
    arguments = {"event_id": event_id, "buyer_id": buyer_id, "seconds": SEEN_SECONDS}
    return connection.execute(_SEEN, arguments).rowcount == 1


def end(connection: Connection, event_id: EventId, buyer_id: BuyerId, *, reason: str) -> bool:
    """Off the list; False when not on it, or when something is offered to them: that ends by its booking."""
    return connection.execute(_END, {"event_id": event_id, "buyer_id": buyer_id, "reason": reason}).rowcount == 1


def has_booking(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> bool:
    """Whether this person has tickets here, or a booking on its way to some."""
    arguments = {"event_id": event_id, "buyer_id": buyer_id}
    return bool(connection.execute(_HAS_BOOKING, arguments).scalar_one())


def do_not_tell(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> None:
    """Write them no more when a ticket comes back."""
    connection.execute(_DO_NOT_TELL, {"event_id": event_id, "buyer_id": buyer_id})


def before(connection: Connection, entry: Entry, *, most: int = FRONT_MAX) -> int:
    """How many who are awake stand before this one; counted up to `most`."""
    arguments = {"event_id": entry.event_id, "number": entry.number, "most": most}
    counted: int = connection.execute(_BEFORE, arguments).scalar_one()
    return counted


def take_in(
    connection: Connection,
    event_id: EventId,
    *,
    after: int,
    drawn: Callable[[int], int],
    drawn_to: int = 0,
    limit: int = TAKE_IN_MAX,
) -> int:
    """Who waited in the queue when the list began is on it; returns the last number looked at (0: there was none).

    Not who has tickets here. Who waits hands-free is: the lane is about to tell them that it is sold out. `after` and
    the answer are numbers that people joined with; up to `drawn_to` these were drawn as others, which the list goes by.
    """
    asked = {"event_id": event_id, "after": after, "limit": limit, "drawn_to": drawn_to}
    looked = connection.execute(_LOOK, asked).all()
    waited = [(drawn(row.number), row) for row in looked if row.before_it_began]
    taken = [(number, str(row.buyer_id)) for number, row in waited if number > row.serving]
    if taken:
        numbers, buyers = zip(*taken, strict=True)
        connection.execute(_TAKE_IN, {"event_id": event_id, "numbers": list(numbers), "buyers": list(buyers)})
    return looked[-1].number if looked else 0


def ask_front(connection: Connection, event_id: EventId) -> int:
    """Ask the front of the line to show being there; returns up to which number (0: nobody is in line)."""
    return int(connection.execute(_ASK_FRONT, {"event_id": event_id, "limit": FRONT_MAX}).scalar_one() or 0)


def line(connection: Connection, event_id: EventId, *, present_seconds: float = PRESENT_SECONDS) -> tuple[InLine, ...]:
    """The front of the line, lowest number first."""
    arguments = {"event_id": event_id, "limit": FRONT_MAX, "seconds": present_seconds, "rest": REST_SECONDS}
    return tuple(
        InLine(
            buyer_id=BuyerId(row.buyer_id),
            number=row.number,
            quantity=row.quantity,
            section_ids=tuple(row.section_ids),
            max_price_minor=row.max_price_minor,
            present=row.present,
            asked=row.asked,
            rested=row.rested,
        )
        for row in connection.execute(_LINE, arguments)
    )


def put_to_sleep(connection: Connection, event_id: EventId, absent: Sequence[BuyerId]) -> None:
    """They did not answer: passed over, and in line again as soon as they are seen."""
    if absent:
        connection.execute(_SLEEP, {"event_id": event_id, "buyers": [str(one) for one in absent]})


def to_be_told(connection: Connection, event_id: EventId, absent: Sequence[BuyerId], *, limit: int) -> list[BuyerId]:
    """Those of the absent who asked to be written, and were not since they were last seen; now they are."""
    arguments = {"event_id": event_id, "buyers": [str(one) for one in absent], "limit": limit}
    return [BuyerId(one) for one in connection.execute(_TO_BE_TOLD, arguments).scalars()]


def told_lately(connection: Connection, event_id: EventId, *, seconds: float) -> bool:
    """Whether somebody who was away was written within so many seconds, and has not come yet."""
    return bool(connection.execute(_TOLD_LATELY, {"event_id": event_id, "seconds": seconds}).scalar_one())


def counts(connection: Connection, event_id: EventId) -> Counts:
    """How the list stands, for its organiser."""
    arguments = {"event_id": event_id, "seconds": PRESENT_SECONDS}
    return Counts(*connection.execute(_COUNTS, arguments).one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        event_id=EventId(row.event_id),
        buyer_id=BuyerId(row.buyer_id),
        number=row.number,
        wanted=Wanted(row.quantity, tuple(row.section_ids), row.max_price_minor, row.tell),
        joined_at=row.joined_at,
        asleep=row.asleep,
        offer_id=row.offer_id,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
    )


_PUT = text("""
    INSERT INTO waiting_list_entries AS w (event_id, buyer_id, number, quantity, section_ids, max_price_minor, tell,
                                           seen_at, asked_at)
    VALUES (:event_id, :buyer_id, :number, :quantity, :section_ids, :max_price_minor, :tell, clock_timestamp(),
            clock_timestamp())
    ON CONFLICT (event_id, buyer_id) DO UPDATE
       SET quantity = excluded.quantity, section_ids = excluded.section_ids, tell = excluded.tell,
           max_price_minor = excluded.max_price_minor,
           -- What somebody stood under before may be another's by now.
           number = CASE WHEN w.ended_at IS NULL THEN least(w.number, excluded.number) ELSE excluded.number END,
           seen_at = excluded.seen_at, asked_at = coalesce(w.asked_at, excluded.asked_at), asleep = false,
           -- Under a lower number from now on: who was offered tickets before did not overtake it.
           joined_at = CASE WHEN w.ended_at IS NULL AND w.number <= excluded.number THEN w.joined_at
                            ELSE clock_timestamp() END,
           offer_id = CASE WHEN w.ended_at IS NULL THEN w.offer_id END, ended_at = NULL, end_reason = NULL
""")
_GET = text("SELECT * FROM waiting_list_entries WHERE event_id = :event_id AND buyer_id = :buyer_id")
_SEEN = text("""
    UPDATE waiting_list_entries
       SET seen_at = clock_timestamp(), asleep = false,
           asked_at = CASE WHEN asleep THEN clock_timestamp() ELSE coalesce(asked_at, clock_timestamp()) END,
           told_at = CASE WHEN asleep THEN NULL ELSE told_at END
     WHERE event_id = :event_id AND buyer_id = :buyer_id AND ended_at IS NULL
       AND (asleep OR seen_at IS NULL OR seen_at < clock_timestamp() - :seconds * interval '1 second')
""")
_END = text("""
    UPDATE waiting_list_entries SET ended_at = clock_timestamp(), end_reason = :reason
     WHERE event_id = :event_id AND buyer_id = :buyer_id AND ended_at IS NULL AND offer_id IS NULL
""")
_HAS_BOOKING = text("""
    SELECT EXISTS (SELECT FROM bookings
                    WHERE event_id = :event_id AND buyer_id = :buyer_id
                      AND state IN ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised',
                                    'committed', 'confirmed', 'refunding'))
""")
_DO_NOT_TELL = text("""
    UPDATE waiting_list_entries SET tell = false WHERE event_id = :event_id AND buyer_id = :buyer_id AND tell
""")
_BEFORE = text("""
    SELECT count(*) FROM (SELECT FROM waiting_list_entries
                           WHERE event_id = :event_id AND number < :number
                             AND ended_at IS NULL AND offer_id IS NULL AND NOT asleep LIMIT :most) AS earlier
""")
_LOOK = text("""
    WITH called AS (
        SELECT coalesce((SELECT serving FROM queue_checkpoints WHERE event_id = :event_id), 0) AS serving
    )
    SELECT j.number, j.buyer_id, called.serving, coalesce(j.joined_at <= w.began_at, false) AS before_it_began
      FROM called, numbers_held j JOIN waiting_lists w ON w.event_id = j.event_id
     WHERE j.event_id = :event_id AND j.number > :after AND (j.number > called.serving OR j.number <= :drawn_to)
     ORDER BY j.number LIMIT :limit
""")
_TAKE_IN = text("""
    INSERT INTO waiting_list_entries (event_id, buyer_id, number)
    SELECT :event_id, one.buyer_id, one.number
      FROM unnest(CAST(:numbers AS bigint[]), CAST(:buyers AS uuid[])) AS one (number, buyer_id)
     WHERE NOT EXISTS (SELECT FROM bookings b
                        WHERE b.event_id = :event_id AND b.buyer_id = one.buyer_id
                          AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed',
                                          'confirmed', 'refunding'))
    ON CONFLICT DO NOTHING
""")
_ASK_FRONT = text("""
    WITH front AS (
        SELECT buyer_id, number, asked_at FROM waiting_list_entries
         WHERE event_id = :event_id AND ended_at IS NULL AND offer_id IS NULL AND NOT asleep
         ORDER BY number LIMIT :limit
    ), asked AS (
        UPDATE waiting_list_entries w SET asked_at = clock_timestamp()
          FROM front WHERE w.event_id = :event_id AND w.buyer_id = front.buyer_id AND front.asked_at IS NULL
    )
    SELECT max(number) FROM front
""")
_LINE = text("""
    SELECT buyer_id, number, quantity, section_ids, max_price_minor,
           coalesce(seen_at > clock_timestamp() - :seconds * interval '1 second', false) AS present,
           coalesce(asked_at <= clock_timestamp() - :seconds * interval '1 second', false) AS asked,
           coalesce(missed_at < clock_timestamp() - :rest * interval '1 second', true) AS rested
      FROM waiting_list_entries
     WHERE event_id = :event_id AND ended_at IS NULL AND offer_id IS NULL AND NOT asleep
     ORDER BY number LIMIT :limit
""")
_SLEEP = text("""
    UPDATE waiting_list_entries SET asleep = true, asked_at = NULL
     WHERE event_id = :event_id AND buyer_id = ANY (CAST(:buyers AS uuid[])) AND ended_at IS NULL AND offer_id IS NULL
""")
_TO_BE_TOLD = text("""
    UPDATE waiting_list_entries SET told_at = clock_timestamp()
     WHERE event_id = :event_id AND buyer_id IN (
           SELECT buyer_id FROM waiting_list_entries
            WHERE event_id = :event_id AND buyer_id = ANY (CAST(:buyers AS uuid[])) AND tell AND told_at IS NULL
            ORDER BY number LIMIT :limit)
    RETURNING buyer_id
""")
_TOLD_LATELY = text("""
    SELECT EXISTS (SELECT FROM waiting_list_entries
                    WHERE event_id = :event_id AND asleep AND ended_at IS NULL
                      AND told_at > clock_timestamp() - :seconds * interval '1 second')
""")
_COUNTS = text("""
    SELECT count(*) FILTER (WHERE ended_at IS NULL AND offer_id IS NULL AND NOT asleep),
           count(*) FILTER (WHERE ended_at IS NULL AND offer_id IS NULL
                              AND seen_at > clock_timestamp() - :seconds * interval '1 second'),
           count(*) FILTER (WHERE ended_at IS NULL AND asleep),
           count(*) FILTER (WHERE ended_at IS NULL AND offer_id IS NOT NULL),
           (SELECT count(*) FROM waiting_list_offers WHERE event_id = :event_id AND outcome = 'taken'),
           (SELECT count(*) FROM waiting_list_offers WHERE event_id = :event_id AND outcome = 'lapsed'),
           (SELECT count(*) FROM waiting_list_offers WHERE event_id = :event_id AND outcome = 'declined')
      FROM waiting_list_entries WHERE event_id = :event_id
""")
