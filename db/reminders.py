"""Letters a buyer asked for: that a sale opens, that their turn is near; each once, and never late."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import Connection, text

from onsale.db.ids import BuyerId, EventId
from onsale.errors import TooManyReminders

# Of one buyer, over all events, still to be written.
OPEN_MAX = 20
# So long before the opening, and before the turn, as far as anybody can tell.
AHEAD_SECONDS = 600
DUE_MAX = 1_000
EVENTS_MAX = 500


class Reminder(StrEnum):
    """What a buyer may be reminded of."""

    SALE_OPENS = "sale_opens"
    TURN_NEAR = "turn_near"


def ask(
    connection: Connection, event_id: EventId, buyer_id: BuyerId, kind: Reminder, *, number: int | None = None
) -> None:
    """Write to them when the time comes; once asked, asking again changes nothing. TooManyReminders."""
    arguments = {"event_id": event_id, "buyer_id": buyer_id, "kind": kind.value, "number": number}
    if connection.execute(_ASK, {**arguments, "most": OPEN_MAX}).rowcount:
        return
    if connection.execute(_IS_THERE, arguments).one_or_none() is None:
        raise TooManyReminders


def forget(connection: Connection, event_id: EventId, buyer_id: BuyerId, kind: Reminder) -> None:
    """Do not write; harmless where nothing was asked for."""
    connection.execute(_FORGET, {"event_id": event_id, "buyer_id": buyer_id, "kind": kind.value})


def of_buyer(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> frozenset[Reminder]:
    """What this buyer is still to be reminded of at this event."""
    rows = connection.execute(_OF_BUYER, {"event_id": event_id, "buyer_id": buyer_id})
    return frozenset(Reminder(kind) for kind in rows.scalars())


def openings_near(connection: Connection, *, ahead_seconds: int = AHEAD_SECONDS) -> Sequence[tuple[EventId, bool]]:
    """(event, in time) with reminders to write: it opens within so long, or has opened and it is too late."""
    rows = connection.execute(_OPENINGS, {"seconds": ahead_seconds, "limit": EVENTS_MAX})
    return [(EventId(event_id), in_time) for event_id, in_time in rows]


def take_openings(connection: Connection, event_id: EventId) -> list[BuyerId]:
    """Whose reminder of this opening is done now; at most DUE_MAX at a time."""
    arguments = {"event_id": event_id, "kind": Reminder.SALE_OPENS.value, "up_to": None, "limit": DUE_MAX}
    return [BuyerId(row.buyer_id) for row in connection.execute(_TAKE, arguments)]


def with_turns(connection: Connection) -> list[EventId]:
    """Events at which somebody is to be told that their turn is near."""
    return [EventId(one) for one in connection.execute(_WITH_TURNS, {"limit": EVENTS_MAX}).scalars()]


def take_turns(connection: Connection, event_id: EventId, *, serving: int, up_to: int) -> list[BuyerId]:
    """Who with a number up to this one is to be told now; whose turn has come already is done without a letter."""
    arguments = {"event_id": event_id, "kind": Reminder.TURN_NEAR.value, "up_to": up_to, "limit": DUE_MAX}
    rows = connection.execute(_TAKE, arguments)
    return [BuyerId(row.buyer_id) for row in rows if row.number is not None and row.number > serving]


_ASK = text("""
    INSERT INTO reminders (event_id, buyer_id, kind, number)
    SELECT :event_id, :buyer_id, :kind, CAST(:number AS bigint)
     WHERE (SELECT count(*) FROM reminders WHERE buyer_id = :buyer_id AND done_at IS NULL) < :most
    ON CONFLICT DO NOTHING
""")
_IS_THERE = text("SELECT FROM reminders WHERE event_id = :event_id AND buyer_id = :buyer_id AND kind = :kind")
_FORGET = text("""
    DELETE FROM reminders WHERE event_id = :event_id AND buyer_id = :buyer_id AND kind = :kind AND done_at IS NULL
""")
_OF_BUYER = text("""
    SELECT kind FROM reminders WHERE event_id = :event_id AND buyer_id = :buyer_id AND done_at IS NULL
""")
_OPENINGS = text("""
    SELECT s.event_id, s.phase IN ('scheduled', 'pre_queue') AND s.opens_at > clock_timestamp()
                       AND e.status = 'published' AS in_time
      FROM queue_settings s JOIN events e ON e.id = s.event_id
     WHERE e.starts_at > clock_timestamp()
       AND EXISTS (SELECT FROM reminders r
                    WHERE r.event_id = s.event_id AND r.kind = 'sale_opens' AND r.done_at IS NULL)
       AND (s.phase NOT IN ('scheduled', 'pre_queue')
            OR s.opens_at <= clock_timestamp() + :seconds * interval '1 second')
     LIMIT :limit
""")
_TAKE = text("""
    UPDATE reminders r SET done_at = clock_timestamp()
      FROM (SELECT event_id, buyer_id, kind FROM reminders
             WHERE event_id = :event_id AND kind = :kind AND done_at IS NULL
               AND (CAST(:up_to AS bigint) IS NULL OR number <= :up_to)
             ORDER BY number LIMIT :limit FOR UPDATE SKIP LOCKED) AS due
     WHERE r.event_id = due.event_id AND r.buyer_id = due.buyer_id AND r.kind = due.kind
    RETURNING r.buyer_id, r.number
""")
_WITH_TURNS = text("""
    SELECT e.id FROM events e
     WHERE EXISTS (SELECT FROM reminders r WHERE r.event_id = e.id AND r.kind = 'turn_near' AND r.done_at IS NULL)
       AND e.status = 'published' AND e.starts_at > clock_timestamp() LIMIT :limit
""")
