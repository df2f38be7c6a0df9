"""Whether there is room: on a disk, and for open files."""

from __future__ import annotations

from onsale.cli.doctor.finding import Seen, broken, ok, warning

GIB = 1 << 30
DISK_BYTES_WARNING = 5 * GIB
DISK_BYTES_BROKEN = GIB
DISK_SHARE_WARNING = 0.1


def room(whose: str, *, free: int, total: int) -> Seen:
    """Whether a disk is about to be full: the record stops, and the queue's log with it."""
    saw = f"{whose} has {free / GIB:,.1f} of {total / GIB:,.1f} GiB free."
    if free < DISK_BYTES_BROKEN:
        return broken(saw, "Make room now: what cannot be written is refused, and a full disk stops PostgreSQL.")
    if free < DISK_BYTES_WARNING or free < total * DISK_SHARE_WARNING:
        return warning(saw, "Make room, or a bigger disk, before the sale.")
    return ok(saw)
