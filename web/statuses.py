"""The queue status of every event somebody looks at: a copy per process, a second old at most; a poll costs no call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from onsale.db.ids import EventId
from onsale.errors import OnsaleError
from onsale.queue import status
from onsale.queue.broker import Wakes
from onsale.queue.outlook import Outlook
from onsale.queue.state import QueueRules, QueueState
from onsale.queue.store import QueueStore
from onsale.web.copies import Copies
from onsale.web.kept import Kept
from onsale.web.showing import Shows

FURTHEST_MAX = 10_000


@dataclass(frozen=True)
class Status:
    """How a queue stood within the last second: the values, the public document, and the bytes everybody gets."""

    state: QueueState
    document: Mapping[str, Any]
    kept: Kept

    @property
    def rules(self) -> QueueRules:
        return self.state.rules


class Statuses:
    """The queue status of each event."""

    def __init__(self, store: QueueStore, shows: Shows, wakes: Wakes) -> None:
        self._store = store
        self._shows = shows
        self._wakes = wakes
        # The furthest each queue was seen: a Redis that came back from the past must not be shown as it was.
        self._furthest: dict[EventId, tuple[int, int]] = {}
        self._copies: Copies[EventId, Status] = Copies(self._read, name="status")

    def of(self, event_id: EventId) -> Status:
        """The status of an event's queue. Raises NotFound; QueueUnavailable or QueueRecovering when there is none."""
        return self._copies.get(event_id)

    def known(self, event_id: EventId) -> Status | None:
        """The same for a page that has something to say without it."""
        try:
            return self.of(event_id)
        except OnsaleError:
            return None

    def forget(self, event_id: EventId) -> None:
        """The organiser has just changed it: read it anew."""
        self._copies.forget(event_id)

    def stop(self) -> None:
        self._copies.stop()

    def _read(self, event_id: EventId) -> Status:
        self._shows.event(event_id)
        self._advance(event_id)
        state = self._never_back(event_id, self._store.snapshot(event_id))
        looked = status.looked_at(state)
        self._keep(event_id, state, looked)
        document = status.document(state, looked)
        return Status(state, document, Kept(orjson.dumps(document), etag=status.etag(document)))

    def _advance(self, event_id: EventId) -> None:
        """Anyone may let in whose turn it is; so a sale that is looked at goes on while nobody else admits."""
        try:
            if self._store.advance(event_id).hands_free:
                self._wakes.wake_lane(event_id)
        except OnsaleError:
            # Whoever admits says what is wrong; the snapshot says whether there is something to show.
            return

    def _never_back(self, event_id: EventId, state: QueueState) -> QueueState:
        """The state, with no smaller `serving` than this process has ever told."""
        serving, return_serving = self._furthest.get(event_id, (0, 0))
        serving, return_serving = max(serving, state.serving), max(return_serving, state.return_serving)
        if len(self._furthest) >= FURTHEST_MAX and event_id not in self._furthest:
            self._furthest.pop(next(iter(self._furthest)))
        self._furthest[event_id] = serving, return_serving
        return replace(state, serving=serving, return_serving=return_serving)

    def _keep(self, event_id: EventId, state: QueueState, looked: Outlook) -> None:
        """What is about to be promised is remembered for all, while nobody else does so each second."""
        if looked.at_ms != state.now_ms or state.recovering:
            return
        try:
            self._store.keep_outlook(event_id, looked)
        except OnsaleError:
            # Only memory is lost: the next one who looks promises anew, and says why.
            return
