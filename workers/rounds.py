"""When `onsale admit` looks at which event: pure timing, so that a thousand quiet events cost next to nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueSettings
from onsale.db.rate_control import RateControl, rate_in_force, version_in_force
from onsale.queue.draw import draw_of
from onsale.queue.state import Phase as QueuePhase
from onsale.queue.state import QueueRules, QueueState

ADVANCE_SECONDS = 0.075
# Open, and nobody is waiting: a newcomer is let in within this time.
ADVANCE_IDLE_SECONDS = 0.3
LOOK_SECONDS = 1.0
LOOK_QUIET_SECONDS = 5.0
# Counting a stadium's tickets takes milliseconds; where nothing is held, freed or taken it need not be often.
STOCK_SECONDS = 15.0
# An event that failed is left alone for a while, longer each time; the others do not notice.
RETRY_SECONDS = 0.25
RETRY_SECONDS_MAX = 5.0
# So early before its opening an event counts as open: the queue opens by Redis' clock, not by ours.
EARLY_SECONDS = 5.0
# Numbers kept ahead of the last one given out, and the joining speed a new block must be enough for.
NUMBERS_AHEAD = 5_000
JOIN_SECONDS_AHEAD = 4
# How many counts of what was sold are remembered, one a look.
SALES_KEPT = 60
BLOCK_MAX = 1_000_000


@dataclass
class Watched:
    """One event the loop looks after, and when it is next due (seconds of a monotonic clock)."""

    settings: QueueSettings
    control: RateControl | None = None
    advance_at: float = 0.0
    look_at: float = 0.0
    stock_at: float = 0.0
    # How often the record says that tickets were taken or freed.
    stock_changes: int = 0
    failures: int = 0
    # The last look's: what was put in force, whether anybody waits or is inside, how many numbers were out.
    version: int = 0
    busy: bool = True
    issued: int = 0
    looked_at: float = 0.0
    counters: tuple[int, ...] = field(default=())
    # When its rate is next looked at, and how many tickets were sold when, for how many were sold lately.
    rate_at: float = 0.0
    stopped: bool = False
    sold: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=SALES_KEPT))

    @property
    def version_set(self) -> int:
        """What the record wants in force."""
        return version_in_force(self.settings.version, self.control)

    def sold_lately(self, now: float, *, seconds: float) -> int | None:
        """How many tickets were sold in so many seconds before now; None when nobody looked for so long."""
        if not self.sold or now - self.sold[0][0] < seconds:
            return None
        before = [sold for at, sold in self.sold if now - at >= seconds]
        return max(0, self.sold[-1][1] - before[-1])

    # The slot of time in which what is told of the wait was written down last.
    told_slot: int = 0

    def failed(self, now: float) -> None:
        """Leave the event alone for a while."""
        self.failures += 1
        wait = min(RETRY_SECONDS * 2 ** min(self.failures - 1, 10), RETRY_SECONDS_MAX)
        self.advance_at = self.look_at = now + wait

    def advanced(self, now: float, *, anybody: bool) -> None:
        """It was advanced: `anybody` came in, so the next run comes soon."""
        self.failures = 0
        self.busy = self.busy or anybody
        self.advance_at = now + (ADVANCE_SECONDS if self.busy else ADVANCE_IDLE_SECONDS)

    def looked(self, now: float, queue: QueueState) -> None:
        """It was looked at; an event in which nothing moves is looked at less often."""
        counters = (queue.issued, queue.serving, queue.return_issued, queue.return_serving, queue.version, queue.active)
        moving = counters != self.counters
        # A hold may outlast its slot, when a bank is late; and tickets that are sold say so by nothing else.
        self.busy = moving or queue.waiting > 0 or queue.active > 0 or (queue.held or 0) > 0
        self.issued, self.looked_at, self.counters, self.failures = queue.issued, now, counters, 0
        self.look_at = now + (LOOK_SECONDS if self.busy else LOOK_QUIET_SECONDS)


def watch(
    watched: dict[EventId, Watched],
    running: Iterable[QueueSettings],
    stock_changes: Mapping[EventId, int],
    controls: Mapping[EventId, RateControl] | None = None,
) -> dict[EventId, Watched]:
    """The events to look after now: those known keep their place in the rounds.

    One whose settings or stock changed is looked at at once, however quiet it was.
    """
    found = {}
    for settings in running:
        known = watched.get(settings.event_id) or Watched(settings)
        if known.settings.version != settings.version:
            known.look_at = 0.0
        changes = stock_changes.get(settings.event_id, 0)
        if known.stock_changes != changes:
            known.look_at = known.stock_at = 0.0
        known.stock_changes = changes
        known.settings = settings
        control = (controls or {}).get(settings.event_id)
        if version_in_force(0, known.control) < version_in_force(0, control):
            known.look_at = 0.0
        # What this process has just decided itself may be newer than what was read.
        known.control = max(control, known.control, key=lambda one: version_in_force(0, one)) if control else None
        found[settings.event_id] = known
    return found


def may_admit(settings: QueueSettings, now: datetime) -> bool:
    """Whether the event is open, or about to open by itself."""
    if settings.phase is Phase.OPEN:
        return True
    opening = settings.phase in (Phase.SCHEDULED, Phase.PRE_QUEUE)
    return opening and settings.opens_at - now <= timedelta(seconds=EARLY_SECONDS)


def opening_due(settings: QueueSettings, now: datetime) -> bool:
    """Whether the record should be asked to open the event; the record's own clock decides."""
    return settings.phase in (Phase.SCHEDULED, Phase.PRE_QUEUE) and settings.opens_at <= now


def block_wanted(queue: QueueState, *, issued_before: int, seconds: float) -> int:
    """How many numbers to reserve now; 0 while enough are left for a few seconds of joins at the speed just seen.

    What a recovery skipped was no join: taken for one, each loss would reserve several times what the last one did.
    """
    joined = queue.issued - max(issued_before, queue.restored_to)
    speed = max(0, joined) / max(seconds, LOOK_SECONDS / 2)
    ahead = max(NUMBERS_AHEAD, int(speed * JOIN_SECONDS_AHEAD))
    return 0 if queue.block_end - queue.issued >= ahead else min(2 * ahead, BLOCK_MAX)


def rules_of(settings: QueueSettings, control: RateControl | None = None) -> QueueRules:
    """The organiser's settings as the queue takes them."""
    return QueueRules(
        phase=QueuePhase(settings.phase.value),
        opens_at=settings.opens_at,
        rate_per_minute=rate_in_force(settings.rate_per_minute, control),
        max_active=settings.max_active,
        enabled=settings.enabled,
        selling=settings.selling,
        reason=settings.reason,
        notice=settings.notice,
        enter_seconds=settings.enter_seconds,
        choose_seconds=settings.choose_seconds,
        pay_seconds=settings.pay_seconds,
        address_limit=settings.address_limit,
        handsfree_per_minute=settings.handsfree_per_minute,
        draw=draw_of(settings.draw.public()) if settings.draw else None,
        ceiling_per_minute=settings.rate_per_minute,
        because=control.because if control else "",
    )
