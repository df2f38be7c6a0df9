"""A buyer's way through an event's queue, as the record has it: joined, passed over, let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import BuyerId, EventId


@dataclass(frozen=True, slots=True)
class QueueWay:
    """None where it has not happened, or was not journaled yet; `passed_at`: called, and not there."""

    number: int
    return_number: int | None
    joined_at: datetime | None
    passed_at: datetime | None
    admitted_at: datetime | None
    run: int | None


def of(
    connection: Connection, event_id: EventId, buyer_id: BuyerId, *, number: int, return_number: int | None
) -> QueueWay:
    """The way of this number; one who came back was let in by the return number."""
    asked = {"event_id": event_id, "number": number}
    joined = connection.execute(_JOINED, {**asked, "buyer_id": buyer_id}).scalar_one_or_none()
    called = connection.execute(_CALLED, asked).one_or_none()
    passed_at = called.at if called is not None and called.passed else None
    if return_number is not None:
        called = connection.execute(_CALLED_BACK, {**asked, "number": return_number}).one_or_none()
    elif passed_at is not None:
        called = None
    admitted_at, run = (called.at, called.seq) if called is not None else (None, None)
    return QueueWay(number, return_number, joined, passed_at, admitted_at, run)


_JOINED = text("""
    SELECT joined_at FROM join_journal WHERE event_id = :event_id AND number = :number AND buyer_id = :buyer_id
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
