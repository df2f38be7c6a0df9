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
from onsale.errors import QueueUnavailable
from onsale.queue.journaled import execute
from onsale.queue.keys import NO_DEVICE, EventKeys, device_field
from onsale.queue.lots import bitmap
from onsale.queue.scripts import Scripts
from onsale.queue.state import Place, Standing
from onsale.queue.state_text import buyer_text

REVOKE_MAX = 1_000


# Whose turn has come and is not over.
_IN_TURN = (Standing.ADMITTED, Standing.ENTERED, Standing.HOLDING)


@dataclass(frozen=True, slots=True)
class Handing:
    """Two buyers become one: the place that counts from now on, and the other's, which nobody has any more."""

    giver: BuyerId
    taker: BuyerId
    gave: Place
    had: Place | None

    @property
    def kept(self) -> Place:
        """One that can still come to tickets before one that is used, then one whose turn it is, then the lower."""
        return min(filter(None, (self.gave, self.had)), key=_use)

    @property
    def given_up(self) -> Place | None:
        """The other one."""
        return None if self.had is None else self.had if self.kept is self.gave else self.gave


def _use(place: Place) -> tuple[bool, bool, int]:
    return place.standing is Standing.DONE, place.standing not in _IN_TURN, place.number


class PlaceStore:
    """The same queues as `QueueStore`, on the same Redis."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._run = Scripts(client).run

    # `in_draw`: the number is still to be drawn, and the turn is that of whatever it is drawn as.

    def show(self, event_id: EventId, number: int, *, device: bytes, in_draw: bool = False) -> None:
        """This device is the place's, or becomes it where none is yet. Raises OtherDevice when another one is."""
        self._bind(event_id, [device_field(number, in_draw=in_draw), device, NO_DEVICE, "show"])

    def bind(
        self, event_id: EventId, number: int, *, device: bytes, before: bytes = NO_DEVICE, in_draw: bool = False
    ) -> int:
        """This device takes the turn over from the one before; since when, in ms of Redis' clock.

        Raises OtherDevice when the one before has not got it any more.
        """
        return self._bind(event_id, [device_field(number, in_draw=in_draw), device, before, "move"])

    def take_back(self, event_id: EventId, number: int, *, device: bytes, in_draw: bool = False) -> int:
        """A device that had the place within a day has it again, and those after it lose their claim.

        Raises OtherDevice for any other.
        """
        return self._bind(event_id, [device_field(number, in_draw=in_draw), device, NO_DEVICE, "back"])

    def own(self, event_id: EventId, number: int, *, device: bytes, in_draw: bool = False) -> int:
        """This device has the turn, whichever had it: whoever asks has proved to be the buyer."""
        return self._bind(event_id, [device_field(number, in_draw=in_draw), device, NO_DEVICE, "own"])

    def hand_over(self, event_id: EventId, handing: Handing) -> bool:
        """The taker has the place that counts, the giver none; no token proves either number from now on.

        False, and nothing is done, when one of them has another number by now.
        """
        keys, gave, had, given_up = EventKeys(event_id), handing.gave, handing.had, handing.given_up
        done = [keys.numbers_lane()[4], keys.returns_lane()[4]]
        names = [keys.queue, keys.buyers(handing.giver), keys.buyers(handing.taker), keys.returns, *done, keys.moved]
        # A number that is still to be drawn is another one in the queue, and nobody can say yet which.
        used = given_up.number if given_up and given_up.standing is not Standing.IN_DRAW else 0
        numbers = [gave.token_number, had.token_number if had else 0, handing.kept.token_number, used]
        return bool(self._run("hand_over", names, [handing.giver.bytes, handing.taker.bytes, *numbers])[0])

    def forget_handed_over(self, event_id: EventId, moved: Sequence[tuple[BuyerId, BuyerId, Sequence[int]]]) -> None:
        """(giver, taker, numbers that no token proves) from the record: before the journal's numbers are restored."""
        keys = EventKeys(event_id)
        pipeline = self._client.pipeline(transaction=False)
        for giver, taker, numbers in moved:
            # An older copy may know them under numbers of before.
            for one in (giver, taker):
                pipeline.hdel(keys.buyers(one), one.bytes)
            for number in numbers:
                pipeline.setbit(keys.moved, number, 1)
        execute(pipeline)

    def restore_handed_over(self, event_id: EventId, taken: Sequence[tuple[BuyerId, int, int]]) -> None:
        """(taker, number, joined_at_ms) from the record, for those whose numbers the journal did not have."""
        keys = EventKeys(event_id)
        pipeline = self._client.pipeline(transaction=False)
        for taker, number, joined_at_ms in taken:
            pipeline.hsetnx(keys.buyers(taker), taker.bytes, buyer_text(number, joined_at_ms))
        execute(pipeline)

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

    def vacate(self, event_id: EventId, numbers: Sequence[int]) -> int:
        """Pass these over like used places until somebody claims one (`QueueStore` does); how many that took out."""
        keys = EventKeys(event_id)
        return self._in_steps("vacate", [keys.queue, *keys.numbers_lane()[3:], keys.vacant], numbers)

    def lots(self, event_id: EventId) -> bytes:
        """Which numbers are further ones of whoever has the number before (`lots.py`); they never change once drawn."""
        try:
            found = self._client.get(EventKeys(event_id).lots)
        except RedisError as error:
            raise QueueUnavailable from error
        return found if isinstance(found, bytes) else b""

    def pass_spare(self, event_id: EventId, looked_through: range, spare: Sequence[int], *, size: int) -> int | None:
        """Of this stretch of `size` drawn numbers these are nobody's, and are passed like used ones; all before it were
        told already. Returns up to where that is known now, None at the end. May run twice, in any number of copies.
        """
        keys = EventKeys(event_id)
        told = [looked_through.start - 1, looked_through.stop - 1, size, *spare]
        known = int(self._run("pass_spare", [keys.queue, keys.numbers_lane()[4]], told)[0])
        return None if known < 0 else known

    def restore_lots(self, event_id: EventId, rows: Sequence[tuple[int, int]]) -> None:
        """(first number, weight) from the record, before the queue is opened again: nobody is let in unlooked."""
        keys = EventKeys(event_id)
        pipeline = self._client.pipeline(transaction=True)
        pipeline.delete(keys.lots)
        if rows:
            pipeline.set(keys.lots, bitmap(rows))
            spare = sum(weight - 1 for _, weight in rows)
            pipeline.hset(keys.queue, mapping={"spare": spare, "spare_passed": 0, "spare_to": 0})
        execute(pipeline)

    def _bind(self, event_id: EventId, arguments: Sequence[str | bytes | int]) -> int:
        keys = EventKeys(event_id)
        return int(self._run("bind", [keys.queue, keys.devices], arguments)[0])

    def _in_steps(self, script: str, names: Sequence[str], numbers: Sequence[int]) -> int:
        steps = [numbers[first : first + REVOKE_MAX] for first in range(0, len(numbers), REVOKE_MAX)]
        return sum(int(self._run(script, names, list(some))[0]) for some in steps)
