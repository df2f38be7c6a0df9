"""Was anybody overtaken? Pure: the bookings of an event with what decided them go in, inversions come out.

Each queued booking stores the transaction that queued it, each decided one the snapshot its batch was read in. A
booking that a batch could see, with a lower number than one the batch decided, must have been decided by then.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

Key = tuple[int, float, str]


@dataclass(frozen=True, slots=True)
class QueuedBooking:
    """One row; `batch_snapshot` as PostgreSQL writes it (`xmin:xmax:xip,...`), None for one no lane decided."""

    number: int
    created_at: float
    id: str
    state: str
    queued_xid: int
    batch_snapshot: str | None
    decided_at: float | None

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


def inversions(bookings: Iterable[QueuedBooking]) -> list[Inversion]:
    """At most one per batch and overtaken booking; n log n in the number of bookings."""
    # Who was cancelled or failed while queued was decided by nobody, so nobody can have been decided before them.
    found = [each for each in bookings if each.batch_snapshot is not None or each.state == "queued"]
    coming = sorted(found, key=lambda each: each.queued_xid)
    decided: set[str] = set()
    seen: list[tuple[Key, str]] = []
    unseen: list[QueuedBooking] = []
    at, overtaken = 0, []
    for snapshot, batch in _batches(found):
        while at < len(coming) and coming[at].queued_xid < snapshot.xmax:
            unseen.append(coming[at])
            at += 1
        visible = [each for each in unseen if snapshot.sees(each.queued_xid)]
        unseen = [each for each in unseen if not snapshot.sees(each.queued_xid)]
        for each in visible:
            heapq.heappush(seen, (each.key, each.id))
        decided.update(each.id for each in batch)
        last = max(batch, key=lambda each: each.key)
        while seen and (seen[0][1] in decided or seen[0][0] < last.key):
            _, first = heapq.heappop(seen)
            if first not in decided:
                overtaken.append(Inversion(first, last.id))
    return overtaken


def _batches(bookings: Sequence[QueuedBooking]) -> Iterator[tuple[Snapshot, list[QueuedBooking]]]:
    """The lane's batches in the order of their decisions: one transaction each, so one moment and one snapshot."""
    decided = [each for each in bookings if each.batch_snapshot is not None]
    decided.sort(key=lambda each: (each.decided_at or 0.0, each.batch_snapshot or ""))
    for (_, snapshot), batch in groupby(decided, key=lambda each: (each.decided_at, each.batch_snapshot)):
        yield Snapshot.parse(snapshot or "0:0:"), list(batch)
