"""The draw of a rehearsal: its pre-queue, the opening, the beacon, and the check of the list as a stranger makes it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine

from onsale.db import draws, queue_settings
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.errors import RecordUnavailable
from onsale.queue.draw import SEED_BYTES
from onsale.sandbox.rehearsal.audit import Audit
from onsale.sandbox.rehearsal.sale import ACTOR
from onsale.verify import draw_list, draw_listing

BEACON = "a round of the rehearsal"
# The name of the check beside the invariants of `onsale verify`.
CHECK = "the draw's list"
# Nobody opens it by the clock: it opens so long after the first buyer came, whenever that is.
FAR_AWAY = timedelta(days=1)


def pre_queue(change: QueueChange, *, now: datetime) -> QueueChange:
    """The same sale, not open yet."""
    return replace(change, phase=Phase.SCHEDULED, opens_at=now + FAR_AWAY)


@dataclass
class Lottery:
    """Opens the sale `after` seconds, tells the beacon when entries are closed, and notes what a stranger would.

    `after` None: the sale is first come, first served, and there is nothing to do.
    """

    engine: Engine
    event_id: EventId
    after: float | None
    noted: Mapping[str, Any] = field(default_factory=dict)
    _opened: bool = False
    _told: bool = False

    @staticmethod
    def announce(connection: Connection, event_id: EventId) -> None:
        """As staff do, before anybody joins."""
        seed = secrets.token_bytes(SEED_BYTES)
        draws.announce(connection, event_id, seed=seed, beacon_name=BEACON, actor=ACTOR)
        queue_settings.change(connection, event_id, QueueChange(phase=Phase.PRE_QUEUE), actor=ACTOR)

    def look(self, seconds: float) -> None:
        """Call often: whatever is due so long after the first buyer came. While the record is away, the next time."""
        if self.after is None or self._told or seconds < self.after:
            return
        try:
            with transaction(self.engine) as connection:
                if not self._opened:
                    now = QueueChange(opens_at=datetime.now(UTC))
                    queue_settings.change(connection, self.event_id, now, actor=ACTOR)
                self._tell(connection)
            self._opened = True
        except RecordUnavailable:
            return

    def _tell(self, connection: Connection) -> None:
        draw = draws.get(connection, self.event_id)
        if draw is None or draw.size is None:
            return
        # Published by somebody else, and after the entries were closed: nobody knew it before.
        value = sha256(secrets.token_bytes(SEED_BYTES)).hexdigest()
        draws.put_beacon(connection, self.event_id, value, actor=ACTOR)
        self.noted = {"seed_hash": draw.seed_hash, "beacon": value, "size": draw.size}
        self._told = True

    def checked(self, audit: Audit) -> Audit:
        """With what the stranger's verifier says of the list, held to what was noted during the sale."""
        if self.after is None:
            return audit
        with reading(self.engine) as connection:
            draw = draws.get(connection, self.event_id)
            held = draw is not None and draw.key is not None
            lines = list(draw_listing.listed(connection, self.event_id, draw)[0]) if draw is not None and held else []
        found = draw_list.check(lines, self.noted) if held else [draw_list.Finding("file", "the draw was never held")]
        because = {CHECK: f"{found[0].what}: {found[0].says}"} if found else {}
        return replace(audit, verify={**audit.verify, CHECK: not found}, because={**audit.because, **because})
