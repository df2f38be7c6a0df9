"""The events whose free tickets this worker remembers, so that a lane does not read the house for every batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from onsale.db.house import House
from onsale.db.ids import EventId

# A stadium of 65,000 takes a few megabytes; more events than this sell in one worker only by the house being small.
EVENTS_MAX = 64


@dataclass
class KeptHouse:
    """One event's house and the lock of whoever works on it in this process."""

    house: House = field(default_factory=lambda: House({}))
    lock: threading.Lock = field(default_factory=threading.Lock)


class Houses:
    """The houses of the events worked on last, least recently used forgotten first. Thread safe."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self._events_max = events_max
        self._kept: OrderedDict[EventId, KeptHouse] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, event_id: EventId) -> Iterator[House | None]:
        """The event's house for one batch; None when another thread of this process has it, and with it the lane."""
        with self._lock:
            kept = self._kept.setdefault(event_id, KeptHouse())
            self._kept.move_to_end(event_id)
            while len(self._kept) > self._events_max:
                self._kept.popitem(last=False)
        if not kept.lock.acquire(blocking=False):
            yield None
            return
        try:
            yield kept.house
        finally:
            kept.lock.release()

    def forget(self, event_id: EventId) -> None:
        """Something went wrong in mid-batch: read this house again at its next use."""
        with self._lock:
            self._kept.pop(event_id, None)

    def __len__(self) -> int:
        return len(self._kept)
