"""What may happen to a place besides waiting: it moves to another device, to another buyer, is revoked, stands again.

    places = PlaceStore(redis.Redis.from_url(config.queue_url))
    places.bind(event_id, 17, device=device, before=old_device)

A device is known by eight bytes of a digest (`DEVICE_BYTES`); NO_DEVICE is a client that names none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from onsale.db.ids import BuyerId, EventId
from onsale.errors import NotInQueue, QueueUnavailable
from onsale.queue.keys import DEVICE_BYTES, NO_DEVICE, EventKeys
from onsale.queue.scripts import Scripts
from onsale.queue.state_text import buyer_text

REVOKE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The number that one buyer has now of two; `given_up` is the other one's, which nobody has any more."""

    number: int
    given_up: int | None
    joined_at_ms: int


class PlaceStore:
    """The same queues as `QueueStore`, on the same Redis."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._run = Scripts(client).run

    def show(self, event_id: EventId, number: int, *, device: bytes) -> None:
        """This device is the place's, or becomes it where none is yet. Raises OtherDevice when another one is."""
        self._bind(event_id, [number, device, NO_DEVICE, "show"])

    def bind(self, event_id: EventId, number: int, *, device: bytes, before: bytes = NO_DEVICE) -> int:
        """This device takes the turn over from the one before; since when, in ms of Redis' clock.

        Raises OtherDevice when the one before has not got it any more.
        """
        return self._bind(event_id, [number, device, before, "move"])

    def take_back(self, event_id: EventId, number: int, *, device: bytes) -> int:
        """A device that had the place within a day has it again, and those after it lose their claim.

        Raises OtherDevice for any other.
        """
        return self._bind(event_id, [number, device, NO_DEVICE, "back"])

    def own(self, event_id: EventId, number: int, *, device: bytes) -> int:
        """This device has the turn, whichever had it: whoever asks has proved to be the buyer."""
        return self._bind(event_id, [number, device, NO_DEVICE, "own"])

    def device_of(self, event_id: EventId, number: int) -> bytes | None:
        """The device that may take the place's turn; None while any may. Raises QueueUnavailable."""
        try:
            known = self._client.hget(EventKeys(event_id).devices, str(number))
        except RedisError as error:
            raise QueueUnavailable from error
        # The client decodes nothing; its types do not know that.
        return known[:DEVICE_BYTES] if isinstance(known, bytes) else None

    def hand_over(self, event_id: EventId, *, giver: BuyerId, taker: BuyerId) -> HandedOver | None:
        """The taker has the giver's number, or keeps a better one; None when the giver has none."""
        keys = EventKeys(event_id)
        done = [keys.numbers_lane()[4], keys.returns_lane()[4]]
        names = [keys.queue, keys.buyers(giver), keys.buyers(taker), keys.returns, *done]
        try:
            number, given_up, joined_at_ms = self._run("hand_over", names, [giver.bytes, taker.bytes])
        except NotInQueue:
            return None
        return HandedOver(int(number), int(given_up) or None, int(joined_at_ms))

    def restore_handed_over(self, event_id: EventId, taken: Sequence[tuple[BuyerId, BuyerId, int, int]]) -> None:
        """(giver, taker, number, joined_at_ms) from the record, oldest first: after the journal's own numbers."""
        keys = EventKeys(event_id)
        pipeline = self._client.pipeline(transaction=False)
        for giver, taker, number, joined_at_ms in taken:
            pipeline.hdel(keys.buyers(giver), giver.bytes)
            pipeline.hset(keys.buyers(taker), taker.bytes, buyer_text(number, joined_at_ms))
        try:
            pipeline.execute()
        except RedisError as error:
            raise QueueUnavailable from error

    def revoke(self, event_id: EventId, numbers: Sequence[int]) -> int:
        """Pass these over like used places; how many that took out. May run twice. Slots of holds stay with them."""
        keys = EventKeys(event_id)
        done = [keys.numbers_lane()[4], keys.returns_lane()[4]]
        names = [keys.queue, keys.admitted, keys.entered, keys.returns, *done, keys.revoked]
        return self._in_steps("revoke", names, numbers)

    def reinstate(self, event_id: EventId, numbers: Sequence[int]) -> int:
        """Undo that; a number passed meanwhile may take a return number. May run twice."""
        keys = EventKeys(event_id)
        done = [keys.numbers_lane()[4], keys.returns_lane()[4]]
        return self._in_steps("reinstate", [keys.queue, keys.returns, *done, keys.revoked], numbers)

    def _bind(self, event_id: EventId, arguments: Sequence[str | bytes | int]) -> int:
        keys = EventKeys(event_id)
        return int(self._run("bind", [keys.queue, keys.devices], arguments)[0])

    def _in_steps(self, script: str, names: Sequence[str], numbers: Sequence[int]) -> int:
        steps = [numbers[first : first + REVOKE_MAX] for first in range(0, len(numbers), REVOKE_MAX)]
        return sum(int(self._run(script, names, list(some))[0]) for some in steps)
