"""What the record copies of a queue, and what is written back from it: the streams, and the pieces of a recovery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from onsale.db.ids import BuyerId, EventId
from onsale.errors import QueueUnavailable
from onsale.queue.gaps import Gaps
from onsale.queue.keys import EventKeys, PlaceId, split_place
from onsale.queue.state import AdmissionEntry, JoinEntry, ReturnEntry
from onsale.queue.state_text import admission_entry, buyer_text, join_entry, ranges_text, return_entry

RESTORE_MAX = 10_000
JOURNAL_MAX = 1_000
# Beyond this nobody looks for one among them: a second of the largest crowd.
JOINING_MAX = 10_000


class Journaled:
    """The part of a `QueueStore` that needs no script: each call is a command, or a pipeline of bounded length."""

    _client: Redis

    def joins_to_write(self, event_id: EventId, *, limit: int = JOURNAL_MAX) -> list[JoinEntry]:
        """The oldest joins that are not acknowledged."""
        return [join_entry(*entry) for entry in self._oldest(EventKeys(event_id).joins, limit)]

    def joins_written(self, event_id: EventId, last: JoinEntry) -> None:
        """The record has every join up to and with this one."""
        self._forget(EventKeys(event_id).joins, last.id)

    def is_joining(self, event_id: EventId, number: int) -> bool:
        """Whether somebody took this number in the moment that the record is behind.

        Raises QueueUnavailable when more than JOINING_MAX did.
        """
        stream, after = EventKeys(event_id).joins, "-"
        for _ in range(JOINING_MAX // JOURNAL_MAX):
            entries = [join_entry(*entry) for entry in self._oldest(stream, JOURNAL_MAX, after=after)]
            if any(entry.number == number for entry in entries):
                return True
            if len(entries) < JOURNAL_MAX:
                return False
            after = f"({entries[-1].id}"
        raise QueueUnavailable("So many people joined just now that they are still being written down. Try again.")

    def admissions_to_write(self, event_id: EventId, *, limit: int = JOURNAL_MAX) -> list[AdmissionEntry]:
        """The oldest runs of `advance` that are not acknowledged."""
        return [admission_entry(*entry) for entry in self._oldest(EventKeys(event_id).admissions, limit)]

    def admissions_written(self, event_id: EventId, last: AdmissionEntry) -> None:
        """The record has every run up to and with this one."""
        self._forget(EventKeys(event_id).admissions, last.id)

    def returns_to_write(self, event_id: EventId, *, limit: int = JOURNAL_MAX) -> list[ReturnEntry]:
        """The oldest return numbers given that are not acknowledged."""
        return [return_entry(*entry) for entry in self._oldest(EventKeys(event_id).came_back, limit)]

    def returns_written(self, event_id: EventId, last: ReturnEntry) -> None:
        """The record has every return number up to and with this one."""
        self._forget(EventKeys(event_id).came_back, last.id)

    # Between begin_recovery and finish_recovery.

    def restore_joins(self, event_id: EventId, joins: Sequence[tuple[int, BuyerId, int]]) -> None:
        """(number, buyer, joined_at_ms) from the journal, at most RESTORE_MAX; a number still known is kept."""
        keys = EventKeys(event_id)
        pipeline = self._pipeline(joins)
        for number, buyer_id, joined_at_ms in joins:
            pipeline.hsetnx(keys.buyers(buyer_id), buyer_id.bytes, buyer_text(number, joined_at_ms))
        execute(pipeline)

    def restore_admitted(self, event_id: EventId, places: Sequence[PlaceId], *, deadline_ms: int) -> None:
        """Places that may still come in until the deadline, at most RESTORE_MAX."""
        pipeline = self._pipeline(places)
        if places:
            pipeline.zadd(EventKeys(event_id).admitted, dict.fromkeys(places, deadline_ms))
        execute(pipeline)

    def restore_hands_free(self, event_id: EventId, places: Sequence[PlaceId]) -> None:
        """Places with a hands-free booking, at most RESTORE_MAX. (Slots of live bookings: `follow`.)"""
        keys = EventKeys(event_id)
        pipeline = self._pipeline(places)
        for place in places:
            is_return, number = split_place(place)
            pipeline.setbit((keys.returns_lane() if is_return else keys.numbers_lane())[3], number, 1)
        execute(pipeline)

    def restore_returns(self, event_id: EventId, returns: Sequence[tuple[int, int]]) -> None:
        """(number, return_number), at most RESTORE_MAX; of several of one number the last one counts."""
        keys = EventKeys(event_id)
        pipeline = self._pipeline(returns)
        for number, back in returns:
            pipeline.bitfield(keys.returns).set("u32", f"#{number}", back).execute()
            pipeline.bitfield(keys.owners).set("u32", f"#{back}", number).execute()
        execute(pipeline)

    def restore_nobodys(self, event_id: EventId, gaps: Gaps) -> None:
        """Numbers and return numbers that are nobody's, at most RESTORE_MAX ranges of each."""
        for key, ranges in zip(EventKeys(event_id).nobodys(), (gaps.numbers, gaps.returns), strict=True):
            pipeline = self._pipeline(ranges)
            for first, last in ranges:
                _set_bits(pipeline, key, first, last)
            execute(pipeline)

    def restore_gaps(self, event_id: EventId, gaps: Gaps) -> None:
        """What earlier recoveries went on behind, for counting people."""
        pipeline, queue = self._pipeline([*gaps.numbers, *gaps.returns]), EventKeys(event_id).queue
        pipeline.hset(queue, "gaps", ranges_text(gaps.numbers))
        pipeline.hset(queue, "return_gaps", ranges_text(gaps.returns))
        execute(pipeline)

    def _oldest(self, stream: str, limit: int, *, after: str = "-") -> list[tuple[Any, Any]]:
        try:
            entries = self._client.xrange(stream, min=after, count=limit)
        except RedisError as error:
            raise QueueUnavailable from error
        return [(name, fields) for name, fields in entries or [] if fields is not None]

    def _forget(self, stream: str, last_id: str) -> None:
        """Trim the stream up to and with this entry."""
        milliseconds, sequence = last_id.split("-")
        try:
            self._client.xtrim(stream, minid=f"{milliseconds}-{int(sequence) + 1}", approximate=False)
        except RedisError as error:
            raise QueueUnavailable from error

    def _pipeline(self, items: Sequence[object]) -> Pipeline:
        if len(items) > RESTORE_MAX:
            raise ValueError(f"at most {RESTORE_MAX} at once, not {len(items)}")
        return self._client.pipeline(transaction=False)


def _set_bits(pipeline: Pipeline, key: str, first: int, last: int) -> None:
    """The bits `first` to `last`: whole bytes at once, and those at the edges one by one."""
    whole_from, whole_to = -(-first // 8), (last + 1) // 8
    if whole_to <= whole_from:
        edges = [*range(first, last + 1)]
    else:
        edges = [*range(first, whole_from * 8), *range(whole_to * 8, last + 1)]
        pipeline.setrange(key, whole_from, b"\xff" * (whole_to - whole_from))
    for bit in edges:
        pipeline.setbit(key, bit, 1)


def execute(pipeline: Pipeline) -> None:
    """Send it. Raises QueueUnavailable."""
    try:
        pipeline.execute()
    except RedisError as error:
        raise QueueUnavailable from error
