"""Copies what the queue did from Redis' streams into the record: who joined, who was admitted, how far it is.

An entry is acknowledged after the record's commit and may be written twice: a crash between the two repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from uuid import UUID

import structlog

from onsale.db import draw_lots, journal, return_journal, revocations
from onsale.db import engine as record
from onsale.db.ids import BuyerId, EventId
from onsale.db.journal import Admission, Checkpoint, Join
from onsale.db.return_journal import Return
from onsale.queue.journaled import JOURNAL_MAX
from onsale.queue.state import AdmissionEntry, JoinEntry, QueueState
from onsale.workers.shop import Shop

# At most this many thousands at one look; the rest stays in the stream for the next.
ROUNDS_MAX = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Journaled:
    """How many entries were copied."""

    joins: int
    admissions: int
    returns: int


def write_journal(shop: Shop, event_id: EventId) -> Journaled:
    """Empty the event's streams into the record, at most ROUNDS_MAX times JOURNAL_MAX entries of each."""
    # Return numbers first: a run that called one never stands in the record before whose it is.
    returns = _write_returns(shop, event_id)
    return Journaled(_write_joins(shop, event_id), _write_admissions(shop, event_id), returns)


def write_checkpoint(shop: Shop, event_id: EventId, queue: QueueState) -> None:
    """Remember how far the queue is. Recovery goes on from here."""
    with record.transaction(shop.engine) as connection:
        journal.put_checkpoint(connection, checkpoint(event_id, queue))


def checkpoint(event_id: EventId, queue: QueueState) -> Checkpoint:
    """The queue's counters as the record keeps them."""
    return Checkpoint(
        event_id=event_id,
        serving=queue.serving,
        return_serving=queue.return_serving,
        issued=queue.issued,
        return_issued=queue.return_issued,
        at=moment(queue.now_ms),
    )


def _write_joins(shop: Shop, event_id: EventId) -> int:
    written = 0
    for _ in range(ROUNDS_MAX):
        entries = shop.store.joins_to_write(event_id)
        if entries:
            with record.transaction(shop.engine) as connection:
                against = journal.record_joins(connection, event_id, [join(entry) for entry in entries])
                revocations.record_addresses(connection, event_id, addresses(entries))
                draw_lots.given(connection, event_id, weighted(entries))
            if against:
                # Two buyers with one number: it must never happen, and someone must look.
                log.error(
                    "joins_contradict_the_record", event_id=event_id, numbers=[one.number for one in against[:10]]
                )
            shop.store.joins_written(event_id, entries[-1])
            written += len(entries)
        if len(entries) < JOURNAL_MAX:
            break
    return written


def _write_admissions(shop: Shop, event_id: EventId) -> int:
    written = 0
    for _ in range(ROUNDS_MAX):
        entries = shop.store.admissions_to_write(event_id)
        if entries:
            with record.transaction(shop.engine) as connection:
                journal.record_admissions(connection, event_id, [admission(entry) for entry in entries])
            shop.store.admissions_written(event_id, entries[-1])
            written += len(entries)
        if len(entries) < JOURNAL_MAX:
            break
    return written


def _write_returns(shop: Shop, event_id: EventId) -> int:
    written = 0
    for _ in range(ROUNDS_MAX):
        entries = shop.store.returns_to_write(event_id)
        if entries:
            returns = [Return(entry.return_number, entry.number) for entry in entries]
            with record.transaction(shop.engine) as connection:
                return_journal.record_returns(connection, event_id, returns)
            shop.store.returns_written(event_id, entries[-1])
            written += len(entries)
        if len(entries) < JOURNAL_MAX:
            break
    return written


def join(entry: JoinEntry) -> Join:
    """A stream's line as the record's."""
    return Join(entry.number, BuyerId(UUID(bytes=entry.buyer)), moment(entry.joined_at_ms))


def weighted(entries: Sequence[JoinEntry]) -> list[tuple[BuyerId, int]]:
    """Who joined a draw with a weight, and the first number."""
    return [(BuyerId(UUID(bytes=one.buyer)), one.number) for one in entries if one.weight > 1]


def addresses(entries: Sequence[JoinEntry]) -> list[tuple[int, str]]:
    """Where places were taken from, of those whose lines say it; an IPv6 address as its /64."""
    return [
        (one.number, str(ip_address(one.address.ljust(16, b"\0") if len(one.address) > 4 else one.address)))
        for one in entries
        if one.address
    ]


def admission(entry: AdmissionEntry) -> Admission:
    """A stream's line as the record's."""
    return Admission(
        seq=entry.seq,
        at=datetime.fromtimestamp(entry.at_us / 1_000_000, UTC),
        first=entry.first,
        last=entry.last,
        return_first=entry.return_first,
        return_last=entry.return_last,
        admitted=entry.admitted,
        passed=entry.passed,
    )


def moment(at_ms: int) -> datetime:
    """Redis' milliseconds as a time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
