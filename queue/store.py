"""Every call to Redis about a queue: each method is one atomic script in `queue/lua/`, one round trip.

    store = QueueStore(redis.Redis.from_url(config.queue_url))
    joined = store.join(event_id, buyer_id, address=address)

Redis' own clock counts; `now_ms` is for tests. Raises QueueUnavailable when Redis does not answer, QueueRecovering when
it lost the queue: nothing is given out until `workers/recovery.py` has restored it (a new event's queue starts that way too).
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis

from onsale.db.ids import BuyerId, EventId
from onsale.queue.keys import PlaceId
from onsale.queue.state import (
    AdmissionEntry,
    Advanced,
    Entered,
    JoinEntry,
    Joined,
    Place,
    QueueRules,
    QueueState,
    Restored,
    SectionStock,
    Slots,
)

ADMIT_MAX = 500
FOLLOW_MAX = 1_000
RESTORE_MAX = 10_000
JOURNAL_MAX = 1_000


class QueueStore:
    """The waiting rooms of all events on one Redis (or Redis Cluster)."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    # The buyer's calls.

    def join(
        self,
        event_id: EventId,
        buyer_id: BuyerId,
        *,
        address: str,
        proven: int | None = None,
        now_ms: int | None = None,
    ) -> Joined:
        """The buyer's number: the next one, or the one this buyer has. `proven` is the number of a verified queue token;
        when it differs, the lower one wins.

        Raises NotOpenYet (with `retry_after_seconds`), QueueClosed, NumbersExhausted, AddressLimitReached, QueueRecovering.
        """
        raise NotImplementedError

    def enter(self, event_id: EventId, place: str, *, now_ms: int | None = None) -> Entered:
        """Come in: `place` is "17" (its return number counts, once there is one) or "r3". Again: the same admission.

        Raises NotInQueue (no such number), NotYourTurn, TurnLapsed (take a return number), AdmissionSpent (place is done).
        """
        raise NotImplementedError

    def come_back(self, event_id: EventId, number: int, *, now_ms: int | None = None) -> int:
        """The return number of someone who was passed over or lapsed; one per absence, the same until it is used up.

        Raises NotInQueue, NotYourTurn (still ahead, or in: nothing to come back from), AdmissionSpent, QueueClosed.
        """
        raise NotImplementedError

    def leave(self, event_id: EventId, place: str) -> None:
        """Give the place up for good and free its slot; harmless twice."""
        raise NotImplementedError

    def heartbeat(self, event_id: EventId, place: str) -> None:
        """Show being there (counts for two to three minutes); harmless for a place that is not waiting."""
        raise NotImplementedError

    def stay(self, event_id: EventId, number: int, *, now_ms: int | None = None) -> Place:
        """A hands-free booking waits under this number: count it as present; a place that was passed over takes a return number.

        The answer says where the booking goes: ahead -> `waiting`; admitted, entered or holding -> `queued`, under
        `place.admission_id`. A place let in but not entered is entered by this. Raises NotInQueue, AdmissionSpent, QueueRecovering.
        """
        raise NotImplementedError

    def place_of(self, event_id: EventId, buyer_id: BuyerId, *, now_ms: int | None = None) -> Place | None:
        """Where this buyer stands; None without a number."""
        raise NotImplementedError

    def place_at(self, event_id: EventId, place: str, *, now_ms: int | None = None) -> Place:
        """Where this number or return number stands. Raises NotInQueue for a number never given."""
        raise NotImplementedError

    # The workers' calls.

    def advance(self, event_id: EventId, *, admit_max: int = ADMIT_MAX, now_ms: int | None = None) -> Advanced:
        """Let in whoever may come in now. Anyone may call it at any time; the rate holds. Raises QueueRecovering."""
        raise NotImplementedError

    def follow(self, event_id: EventId, slots: Slots) -> None:
        """Let slots follow their bookings, any number in one call; may run twice. For a place still ahead only `done` and
        `lapsed` mean something: its hands-free booking is gone."""
        raise NotImplementedError

    def configure(self, event_id: EventId, rules: QueueRules, *, version: int, now_ms: int | None = None) -> bool:
        """Put newer settings in force; False when these (or newer ones) are already. Raises QueueRecovering."""
        raise NotImplementedError

    def set_stock(self, event_id: EventId, sections: Sequence[SectionStock], *, free: int, held: int) -> None:
        """Tell how many tickets are free and held; until the first time stock limits nobody. Raises QueueRecovering."""
        raise NotImplementedError

    def grant_block(self, event_id: EventId, last: int) -> None:
        """Numbers up to `last` are reserved in the record and may be given out; lower than before changes nothing."""
        raise NotImplementedError

    def snapshot(self, event_id: EventId) -> QueueState:
        """How the queue stands, in one round trip. Raises QueueRecovering only when there is nothing to show."""
        raise NotImplementedError

    # The journal.

    def joins_to_write(self, event_id: EventId, *, limit: int = JOURNAL_MAX) -> list[JoinEntry]:
        """The oldest joins that are not acknowledged."""
        raise NotImplementedError

    def joins_written(self, event_id: EventId, last: JoinEntry) -> None:
        """The record has every join up to and with this one."""
        raise NotImplementedError

    def admissions_to_write(self, event_id: EventId, *, limit: int = JOURNAL_MAX) -> list[AdmissionEntry]:
        """The oldest runs of `advance` that are not acknowledged."""
        raise NotImplementedError

    def admissions_written(self, event_id: EventId, last: AdmissionEntry) -> None:
        """The record has every run up to and with this one."""
        raise NotImplementedError

    # Recovery, in this order, under the record's lock: begin, restore (bounded chunks), finish.

    def begin_recovery(
        self, event_id: EventId, restored: Restored, rules: QueueRules, *, version: int, now_ms: int | None = None
    ) -> bool:
        """Write the restored state under this server's run id, closed to buyers; False when the queue is whole already."""
        raise NotImplementedError

    def restore_joins(self, event_id: EventId, joins: Sequence[tuple[int, BuyerId, int]]) -> None:
        """(number, buyer, joined_at_ms) from the journal, at most RESTORE_MAX; the lower number of a buyer wins."""
        raise NotImplementedError

    def restore_admitted(self, event_id: EventId, places: Sequence[PlaceId], *, deadline_ms: int) -> None:
        """Places that may still come in until the deadline, at most RESTORE_MAX."""
        raise NotImplementedError

    def restore_hands_free(self, event_id: EventId, places: Sequence[PlaceId]) -> None:
        """Places with a hands-free booking, at most RESTORE_MAX. (Slots of live bookings: `follow`.)"""
        raise NotImplementedError

    def restore_returns(self, event_id: EventId, returns: Sequence[tuple[int, int]]) -> None:
        """(number, return_number) known from bookings, at most RESTORE_MAX."""
        raise NotImplementedError

    def finish_recovery(self, event_id: EventId, *, now_ms: int | None = None) -> bool:
        """Open the restored queue; False when Redis was lost again meanwhile: begin again."""
        raise NotImplementedError
