"""Every call to Redis about a queue: each method is one atomic script in `queue/lua/`, one round trip.

    store = QueueStore(redis.Redis.from_url(config.queue_url))
    joined = store.join(event_id, buyer_id, address=address)

Redis' own clock counts; `now_ms` is for tests. All raise QueueUnavailable when Redis does not answer, and
QueueRecovering when it lost the queue: nothing is given out until recovery has restored it (a new queue starts so too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import RedisError

from onsale.db.ids import BuyerId, EventId
from onsale.errors import NotInQueue, QueueRecovering, QueueUnavailable
from onsale.queue.draw import DrawState, best_of, permutation
from onsale.queue.joining import join_call
from onsale.queue.journaled import Journaled
from onsale.queue.keys import (
    NO_DEVICE,
    EventKeys,
    device_field,
    number_place,
    return_place,
    split_place,
)
from onsale.queue.outlook import Outlook, kept_bytes
from onsale.queue.scripts import NEVER_MS, Scripts
from onsale.queue.state import (
    Advanced,
    Entered,
    Joined,
    Place,
    QueueRules,
    QueueState,
    Restored,
    SectionStock,
    Slots,
    SoFar,
    Standing,
)
from onsale.queue.state_text import (
    rules_json,
    sections_json,
    so_far_json,
    state_of,
    turn_device,
)

ADMIT_MAX = 500
FOLLOW_MAX = 1_000


class QueueStore(Journaled):
    """The waiting rooms of all events on one Redis (or Redis Cluster). Its client answers in bytes."""

    def __init__(self, client: Redis, *, sources: dict[str, str] | None = None) -> None:
        self._client = client
        self._run = Scripts(client, sources=sources).run

    # The buyer's calls.

    def join(
        self,
        event_id: EventId,
        buyer_id: BuyerId,
        *,
        address: str,
        proven: int | None = None,
        early: bool = False,
        weight: int = 1,
        now_ms: int | None = None,
    ) -> Joined:
        """The buyer's number: the next one, or the one this buyer has.

        `proven` is the number in a verified queue token; when it differs from what is known, the lower one wins.
        `early`: also before the opening. `weight`: so many numbers in a row, for a draw (WeightNotCounted where none
        is to come); who has a number keeps the weight it has. Raises NotOpenYet (with `retry_after_seconds`),
        QueueClosed, NumbersExhausted, AddressLimitReached; PlaceHandedOver for a proven number that was, when this
        buyer has no other.
        """
        asked = join_call(event_id, buyer_id, address=address, proven=proven, early=early, weight=weight, now_ms=now_ms)
        number, joined_at_ms, created, size, key, weighs = self._run("join", *asked)
        joined = Joined(int(number), int(joined_at_ms), bool(created), weight=int(weighs))
        if not (key or size):
            return joined
        joined = _drawn(joined, int(number), size=int(size), key=key)
        if joined.drawn and proven == int(number):
            self._claim(event_id, joined.number)
        return joined

    def enter(self, event_id: EventId, place: str, *, device: bytes = NO_DEVICE, now_ms: int | None = None) -> Entered:
        """Come in: `place` is "17" (its return number counts, once there is one) or "r3". Again: the same admission.

        Raises NotInQueue (no such number), NotYourTurn, TurnLapsed (take a return number), AdmissionSpent (it is done),
        OtherDevice (somebody came in with another one, or the place moved to it).
        """
        keys = EventKeys(event_id)
        bits = [keys.numbers_lane()[4], keys.returns_lane()[4], keys.owners]
        number, back, deadline_ms = self._run(
            "enter",
            [*_slots(keys), keys.returns, *bits, keys.devices],
            [*_split(place), now_ms or "", device],
        )
        admission_id = return_place(back) if back else number_place(number)
        return Entered(admission_id, int(number), int(back) or None, int(deadline_ms))

    def come_back(self, event_id: EventId, number: int, *, now_ms: int | None = None) -> int:
        """The return number of someone who was passed over or lapsed; one per absence, the same until it is used up.

        Raises NotInQueue, NotYourTurn (still ahead, or in: nothing to come back from), AdmissionSpent, QueueClosed.
        """
        keys = EventKeys(event_id)
        here_and_done = [*keys.returns_lane()[:3], keys.returns_lane()[4], keys.owners, keys.came_back]
        names = [*_slots(keys), keys.returns, keys.numbers_lane()[4], *here_and_done]
        return int(self._run("come_back", names, [number, *_now(now_ms)])[0])

    def leave(self, event_id: EventId, place: str) -> None:
        """Give the place up for good and free its slot; harmless twice."""
        keys = EventKeys(event_id)
        self._run("leave", _place_keys(keys), _split(place))

    def heartbeat(self, event_id: EventId, place: str) -> None:
        """Show being there (counts for two to three minutes); harmless for a place that is not waiting."""
        keys = EventKeys(event_id)
        here = [*keys.numbers_lane()[:3], *keys.returns_lane()[:3]]
        self._run("heartbeat", [keys.queue, keys.returns, *here], _split(place))

    def stay(self, event_id: EventId, number: int, *, device: bytes = NO_DEVICE, now_ms: int | None = None) -> Place:
        """A hands-free booking waits under this number: it counts as present; passed over, it takes a return number.

        The answer says where the booking goes: ahead -> `waiting`; entered or holding -> `queued`; both under
        `place.admission_id`. A place let in but not entered is entered by this.

        Raises NotInQueue, AdmissionSpent, QueueClosed, OtherDevice (the place moved to another, or came in with it).
        """
        keys = EventKeys(event_id)
        names = [*_place_keys(keys), keys.devices, keys.came_back]
        back, standing, deadline_ms = self._run("stay", names, [number, now_ms or "", device])
        where = Standing(standing.decode())
        return Place(number, int(back) or None, where, int(deadline_ms) or None, 0, where is Standing.AHEAD)

    def place_of(self, event_id: EventId, buyer_id: BuyerId, *, now_ms: int | None = None) -> Place | None:
        """Where this buyer stands; None without a number."""
        keys = EventKeys(event_id)
        names = [*_place_keys(keys), keys.devices, keys.buyers(buyer_id), keys.lots]
        try:
            answer = self._run("place", names, [0, 0, now_ms or "", buyer_id.bytes])
        except NotInQueue:
            return None
        place, of_draw = _place(answer[:7]), answer[7:]
        if not of_draw:
            return place
        size, key, weight = of_draw
        place = _drawn(replace(place, weight=int(weight)), place.number, size=int(size), key=key)
        if not key:
            return place
        # What a number is drawn as never changes, so that the second look may be a moment later.
        found = self.place_at(event_id, number_place(place.number), now_ms=now_ms)
        if found.standing is Standing.DONE and self._claim(event_id, place.number):
            found = self.place_at(event_id, number_place(place.number), now_ms=now_ms)
        if place.turn is not None and found.turn is None:
            self._turn_goes_along(event_id, place)
            found = replace(found, turn=place.turn)
        return replace(
            found, joined_at_ms=place.joined_at_ms, pre_queue_number=place.pre_queue_number, weight=place.weight
        )

    def _turn_goes_along(self, event_id: EventId, drawn: Place) -> None:
        """It moved before the draw: its devices are those of the number that came of it, from the first look on."""
        devices = EventKeys(event_id).devices
        try:
            kept = self._client.hget(devices, device_field(drawn.token_number, in_draw=True))
            if kept is not None:
                self._client.hsetnx(devices, str(drawn.number), kept)
        except RedisError as error:
            raise QueueUnavailable from error

    def place_at(self, event_id: EventId, place: str, *, now_ms: int | None = None) -> Place:
        """Where this number or return number stands. Raises NotInQueue."""
        keys = EventKeys(event_id)
        return _place(self._run("place", [*_place_keys(keys), keys.devices], [*_split(place), *_now(now_ms)]))

    def _claim(self, event_id: EventId, drawn: int) -> bool:
        """Somebody has this drawn number after all; True where it was passed over as nobody's."""
        keys = EventKeys(event_id)
        return bool(int(self._run("claim", [keys.queue, keys.numbers_lane()[4], keys.vacant], [drawn])[0]))

    # The workers' calls.

    def advance(self, event_id: EventId, *, admit_max: int = ADMIT_MAX, now_ms: int | None = None) -> Advanced:
        """Let in whoever may come in now. Anyone may call it at any time; the rate holds."""
        keys = EventKeys(event_id)
        lanes = [*keys.numbers_lane(), *keys.returns_lane(), *keys.nobodys()]
        answer = [
            int(value)
            for value in self._run("advance", [*_slots(keys), keys.admissions, *lanes], [admit_max, *_us(now_ms)])
        ]
        *values, listen_due = answer
        if listen_due:
            self._run("listen", [keys.queue, *lanes], _now(now_ms))
        return Advanced(*values)

    def follow(self, event_id: EventId, slots: Slots) -> None:
        """Let slots follow their bookings, any number in one call; may run twice.

        For a place still ahead only `done` and `lapsed` mean something: its hands-free booking is gone.
        """
        keys = EventKeys(event_id)
        places = list(slots.items())
        for first in range(0, len(places), FOLLOW_MAX):
            arguments: list[str | bytes | int] = []
            for place, slot in places[first : first + FOLLOW_MAX]:
                split_place(place)
                arguments += [place, slot.kind.value, slot.until_ms]
            self._run("follow", [*_slots(keys), *_booked_and_done(keys)], arguments)

    def configure(self, event_id: EventId, rules: QueueRules, *, version: int, now_ms: int | None = None) -> bool:
        """Put newer settings in force; False when these (or newer ones) are already."""
        draw = rules.draw
        arguments: list[str | bytes | int] = [
            version,
            rules.phase.value,
            int(rules.opens_at.timestamp() * 1000) if draw is None or draw.held else NEVER_MS,
            rules.rate_per_minute,
            rules.max_active,
            rules.enter_seconds * 1000,
            rules.choose_seconds * 1000,
            rules.address_limit,
            int(rules.enabled),
            rules_json(rules),
            rules.ceiling,
            *_draw_fields(draw),
        ]
        return bool(self._run("configure", [EventKeys(event_id).queue], [*arguments, *_us(now_ms)])[0])

    def stop_briefly(self, event_id: EventId, *, seconds: float, now_ms: int | None = None) -> None:
        """Let nobody in for so long, whatever the rate; it ends by itself, unless it is said again."""
        self._run("stop_briefly", [EventKeys(event_id).queue], [int(seconds * 1000), *_now(now_ms)])

    def close_entries(self, event_id: EventId) -> int:
        """How many numbers will be drawn: who joins from now on comes after them. Again: the same answer.

        Raises NotInQueue when the queue knows of no draw.
        """
        return int(self._run("close_entries", [EventKeys(event_id).queue], [])[0])

    def set_stock(
        self,
        event_id: EventId,
        sections: Sequence[SectionStock],
        *,
        free: int,
        held: int,
        list_asks_to: int | None = None,
        so_far: SoFar | None = None,
    ) -> None:
        """Tell how many tickets are free and held; until the first time stock limits nobody.

        `list_asks_to`: there is a waiting list, and numbers up to this one show presence for it.
        """
        listed = [int(list_asks_to is not None), list_asks_to or 0]
        known = so_far_json(so_far) if so_far else b""
        told: list[str | bytes | int] = [free, held, sections_json(sections), *listed, known]
        self._run("set_stock", [EventKeys(event_id).queue], told)

    def keep_outlook(self, event_id: EventId, outlook: Outlook) -> bool:
        """Remember what was promised; False when somebody has promised later than this."""
        kept = kept_bytes(outlook)
        return bool(self._run("keep_outlook", [EventKeys(event_id).queue], [outlook.at_ms, kept])[0])

    def grant_block(self, event_id: EventId, last: int) -> int:
        """Numbers up to `last` are reserved in the record and may be given out; returns the highest that may."""
        return int(self._run("grant_block", [EventKeys(event_id).queue], [last])[0])

    def snapshot(self, event_id: EventId, *, now_ms: int | None = None) -> QueueState:
        """How the queue stands, in one round trip. Raises QueueRecovering only when there is nothing to show."""
        keys = EventKeys(event_id)
        names = [*_slots(keys), keys.numbers_lane()[4], keys.returns_lane()[4], *keys.nobodys()]
        return state_of(self._run("snapshot", names, _now(now_ms)))

    # Recovery, in this order, under the record's lock: begin, restore (bounded chunks), finish.

    def begin_recovery(
        self, event_id: EventId, restored: Restored, rules: QueueRules, *, version: int, now_ms: int | None = None
    ) -> str | None:
        """Write the restored state under this server's run id, closed to buyers; None when the queue is whole.

        Else what was there instead: `nothing`, `another_server` (its numbers are over) or `unfinished` (a recovery).
        """
        keys = EventKeys(event_id)
        counters = [restored.issued, restored.serving, restored.return_issued, restored.return_serving]
        counters += [restored.unknown_first, restored.return_unknown_first, restored.seq, restored.admitted_total]
        names = [*_slots(keys), *keys.numbers_lane()[:4], *keys.returns_lane()[:4], *keys.nobodys()]
        found: bytes = self._run("begin_recovery", names, [*counters, *_us(now_ms)])[0]
        if not found:
            return None
        self.configure(event_id, rules, version=version, now_ms=now_ms)
        return found.decode()

    def finish_recovery(self, event_id: EventId, *, now_ms: int | None = None) -> bool:
        """Open the restored queue; False when Redis was lost again meanwhile: begin again."""
        try:
            self._run("finish_recovery", [EventKeys(event_id).queue], _us(now_ms))
        except QueueRecovering:
            return False
        return True


def _us(now_ms: int | None) -> list[int]:
    return [] if now_ms is None else [now_ms * 1000]


def _now(now_ms: int | None) -> list[int]:
    return [] if now_ms is None else [now_ms]


def _split(place: str) -> list[int]:
    try:
        is_return, number = split_place(place)
    except ValueError as error:
        raise NotInQueue from error
    return [int(is_return), number]


def _slots(keys: EventKeys) -> list[str]:
    return [keys.queue, keys.admitted, keys.entered, keys.holding]


def _booked_and_done(keys: EventKeys) -> list[str]:
    return [*keys.numbers_lane()[3:], *keys.returns_lane()[3:]]


def _place_keys(keys: EventKeys) -> list[str]:
    return [*_slots(keys), keys.returns, *_booked_and_done(keys), keys.owners]


def _place(answer: Sequence[Any]) -> Place:
    number, back, standing, deadline_ms, joined_at_ms, hands_free, device = answer
    return Place(
        int(number),
        int(back) or None,
        Standing(standing.decode()),
        int(deadline_ms) or None,
        int(joined_at_ms),
        bool(hands_free),
        turn=turn_device(device),
    )


def _draw_fields(draw: DrawState | None) -> list[str | int]:
    if draw is None:
        return ["", ""]
    return [-1 if draw.size is None else draw.size, draw.key]


_T = TypeVar("_T", Joined, Place)


def _drawn(given: _T, number: int, *, size: int, key: bytes) -> _T:
    """With the pre-queue number of somebody who is in a draw, and the drawn one once it was held."""
    if 0 <= size < number:
        return given
    if not key:
        return replace(given, pre_queue_number=number)
    drawn = best_of(permutation(bytes.fromhex(key.decode()), size), number, given.weight).drawn
    found = replace(given, number=drawn, pre_queue_number=number)
    return replace(found, drawn=True) if isinstance(found, Joined) else found
