"""Was anybody overtaken? Pure: the bookings of an event with what decided them go in, inversions come out.

Each queued booking stores the transaction that queued it, each decided one the snapshot its batch was read in. A
booking that a batch could see, with a lower number than one the batch decided, must have been decided by then, or have
left the queue: cancelled by its buyer, or failed because it made the lane raise.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

Key = tuple[int, float, str]
# Who left the queue did so by the clock, and after a failover that is another machine's.
CLOCKS_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class QueuedBooking:
    """One row; `batch_snapshot` as PostgreSQL writes it (`xmin:xmax:xip,...`), None for one no lane decided.

    `gone_at`: when one that no lane decided left the queue; None while it is queued. Times are in seconds.
    """

    number: int
    created_at: float
    id: str
    queued_xid: int
    batch_snapshot: str | None
    decided_at: float | None
    gone_at: float | None

    @property
    def key(self) -> Key:
        """The lane's order."""
        return self.number, self.created_at, self.id


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions had ended when a batch was read."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """PostgreSQL's own text form."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(int(xid) for xid in running.split(",") if xid))

    def sees(self, xid: int) -> bool:
        """Whether this transaction's rows were visible."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


@dataclass(frozen=True, slots=True)
class Inversion:
    """`later` was decided although `earlier` could be seen and was not decided yet."""

    earlier: str
    later: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction of the lane decided."""

    snapshot: Snapshot
    bookings: tuple[QueuedBooking, ...]

    @property
    def last(self) -> QueuedBooking:
        """The one with the highest number."""
        return max(self.bookings, key=lambda each: each.key)

    @property
    def decided_at(self) -> float:
        return max(each.decided_at or 0.0 for each in self.bookings)


def inversions(bookings: Iterable[QueuedBooking]) -> list[Inversion]:
    """Everybody who was overtaken, once each, by the first batch that did; n log n in the number of bookings."""
    found = list(bookings)
    coming = sorted(found, key=lambda each: each.queued_xid)
    decided: set[str] = set()
    seen: list[tuple[Key, QueuedBooking]] = []
    unseen: list[QueuedBooking] = []
    at, overtaken = 0, []
    for batch in _batches(found):
        while at < len(coming) and coming[at].queued_xid < batch.snapshot.xmax:
            unseen.append(coming[at])
            at += 1
        visible = [each for each in unseen if batch.snapshot.sees(each.queued_xid)]
        unseen = [each for each in unseen if not batch.snapshot.sees(each.queued_xid)]
        for each in visible:
            heapq.heappush(seen, (each.key, each))
        decided.update(each.id for each in batch.bookings)
        last = batch.last
        while seen and (seen[0][1].id in decided or seen[0][0] < last.key):
            _, first = heapq.heappop(seen)
            if first.id not in decided and not _had_left(first, batch.decided_at):
                overtaken.append(Inversion(first.id, last.id))
    return overtaken


def _had_left(booking: QueuedBooking, at: float) -> bool:
    return booking.gone_at is not None and booking.gone_at <= at + CLOCKS_SECONDS_MAX


def _batches(bookings: Iterable[QueuedBooking]) -> Iterator[Batch]:
    """The lane's batches in order: by their snapshots, which only grow, because clocks may jump.

    A batch that queued hands-free bookings had its own transaction before its snapshot, and may leave the next one with
    the same; only then the clock decides.
    """
    decided = [each for each in bookings if each.batch_snapshot is not None]
    read = {text: Snapshot.parse(text) for text in {each.batch_snapshot or "" for each in decided}}

    def order(each: QueuedBooking) -> tuple[int, int, int, float, str]:
        one = read[each.batch_snapshot or ""]
        return one.xmax, one.xmin, -len(one.running), each.decided_at or 0.0, each.batch_snapshot or ""

    decided.sort(key=order)
    for (snapshot, _), batch in groupby(decided, key=lambda each: (each.batch_snapshot or "", each.decided_at)):
        yield Batch(read[snapshot], tuple(batch))
