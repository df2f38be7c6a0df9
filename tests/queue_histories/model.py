"""A waiting room in plain Python: dictionaries and sets, one number after the other, and nothing clever.

What the scripts do with bitmaps, sorted sets and ranges, said as slowly as it can be said. The rate and the walk are
the pure rules that the code documents itself with (`queue/rate.py`, `queue/presence.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from onsale.db.ids import BuyerId
from onsale.queue import presence, rate
from onsale.queue.presence import Lane
from onsale.queue.rate import Bucket
from onsale.queue.state import Phase, QueueRules, Restored, SlotKind, Slots

ADMIT_MAX = 500
LISTEN_MS = 1_000
# Heartbeats are counted among the next so many numbers.
HEARD_NUMBERS_MAX = 20_000
SETS = {SlotKind.CHOOSING: "entered", SlotKind.UNDECIDED: "entered", SlotKind.HOLDING: "holding"}


@dataclass
class Side:
    """Queue numbers, or return numbers: how far they are, and what is known of each."""

    issued: int = 0
    serving: int = 0
    unknown: range = range(0)
    # Heard in this slice of time and the two before; a slice has the place of the one three before it.
    here: list[set[int]] = field(default_factory=lambda: [set() for _ in range(presence.SLICES)])
    hands_free: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)

    def lane(self, asked_to: int) -> Lane:
        present = frozenset(self.hands_free.union(*self.here))
        return Lane(self.serving, self.issued, asked_to, present, frozenset(self.done), self.unknown)

    @property
    def waiting(self) -> int:
        ahead = set(range(self.serving + 1, self.issued + 1))
        return len(ahead - set(self.unknown)) - len(ahead & self.done)


@dataclass
class Slot:
    """A place that was let in: `admitted`, `entered` or `holding`, until."""

    kind: str
    until_ms: int


@dataclass(frozen=True)
class Record:
    """What the record gives back of a lost queue."""

    journaled: frozenset[BuyerId]
    returns: Sequence[tuple[int, int]]
    slots: Slots
    admitted_again: Sequence[str]
    until_ms: int


class Model:
    """One event's queue. A call says what the store's call of the same name answers: a value, or an error's name."""

    def __init__(self, rules: QueueRules, *, block_end: int, now_ms: int) -> None:
        self.buyers: dict[BuyerId, tuple[int, int]] = {}
        # Numbers that were handed over, or given up for another one: no token proves them.
        self.moved: set[int] = set()
        self.returns: dict[int, int] = {}
        self.owners: dict[int, int] = {}
        self.block_end = block_end
        self.numbers, self.backs = Side(), Side()
        self._live(rules, now_ms)

    def _live(self, rules: QueueRules, now_ms: int) -> None:
        """What a recovery that has just ended begins with, whatever it restored."""
        self.rules, self.phase = rules, rules.phase
        if self.phase in (Phase.SCHEDULED, Phase.PRE_QUEUE) and now_ms >= _opens_at_ms(rules):
            self.phase = Phase.OPEN
        self.slots: dict[str, Slot] = {}
        self.bucket = rate.empty(now_ms * 1_000)
        self.grace_until_ms = now_ms + presence.GRACE_MS
        self.slice = now_ms // presence.SLICE_MS
        self.asked_to = self.asked_1 = self.asked_2 = self.asked_3 = 0
        self.heard, self.listened_at_ms, self.return_turn = False, 0, False
        self.free: int | None = None
        self.taken = 0

    # Buyers.

    def join(self, buyer: BuyerId, *, proven: int, now_ms: int) -> object:
        known = self.buyers.get(buyer, (math.inf, 0))[0]
        if 0 < proven <= self.numbers.issued and proven < known:
            if proven not in self.moved:
                known = proven
                self.buyers[buyer] = (proven, now_ms)
            elif known == math.inf:
                return "PlaceHandedOver"
        if known <= self.numbers.issued:
            return known
        if self.phase is Phase.CLOSED:
            return "QueueClosed"
        if self.phase is Phase.SCHEDULED and now_ms < _opens_at_ms(self.rules):
            return "NotOpenYet"
        if self.numbers.issued >= self.block_end:
            return "NumbersExhausted"
        self.numbers.issued += 1
        number = self.numbers.issued
        self.buyers[buyer] = (number, now_ms)
        if number <= self.asked_to:
            self.numbers.here[self.slice % presence.SLICES].add(number)
        return number

    def enter(self, number: int, *, now_ms: int) -> object:
        side, at, place = self._where(number)
        if at > side.issued:
            return "NotInQueue"
        if at in side.done:
            return "AdmissionSpent"
        slot = self.slots.get(place)
        if slot and slot.kind != "admitted":
            return (place, slot.until_ms) if slot.until_ms > now_ms else "TurnLapsed"
        if slot and slot.until_ms > now_ms:
            self.slots[place] = Slot("entered", now_ms + self.rules.choose_seconds * 1_000)
            return place, self.slots[place].until_ms
        return "NotYourTurn" if at > side.serving else "TurnLapsed"

    def come_back(self, number: int, *, now_ms: int) -> object:
        side, at, place = self._where(number)
        back = self.returns.get(number, 0)
        if number > self.numbers.issued:
            return "NotInQueue"
        if number in self.numbers.done or (back and back in self.backs.done):
            return "AdmissionSpent"
        if back > self.backs.serving:
            return back
        if at > side.serving:
            return "NotYourTurn"
        if (slot := self.slots.get(place)) and slot.until_ms > now_ms:
            return "NotYourTurn"
        self.slots.pop(place, None)
        if self.phase is Phase.CLOSED:
            return "QueueClosed"
        back = self._give_back(number)
        self.backs.here[self.slice % presence.SLICES].add(back)
        return back

    def stay(self, number: int, *, now_ms: int) -> object:
        """The place a hands-free booking waits under, and where it stands."""
        side, at, place = self._where(number)
        back = self.returns.get(number, 0)
        if number > self.numbers.issued:
            return "NotInQueue"
        if number in self.numbers.done or (back and back in self.backs.done):
            return "AdmissionSpent"
        if at > side.serving:
            side.hands_free.add(at)
            return back, "ahead"
        slot = self.slots.get(place)
        if slot and slot.until_ms > now_ms:
            if slot.kind == "admitted":
                self.slots[place] = slot = Slot("entered", now_ms + self.rules.choose_seconds * 1_000)
            return back, slot.kind
        self.slots.pop(place, None)
        if self.phase is Phase.CLOSED:
            return "QueueClosed"
        back = self._give_back(number)
        self.backs.hands_free.add(back)
        return back, "ahead"

    def leave(self, number: int) -> object:
        if number > self.numbers.issued:
            return "NotInQueue"
        back = self.returns.get(number, 0)
        for place in (str(number), f"r{back}"):
            self.slots.pop(place, None)
        for side, at in ((self.numbers, number), (self.backs, back)):
            if at:
                side.hands_free.discard(at)
                side.done.add(at)
        return None

    def hand_over(self, giver: BuyerId, taker: BuyerId, *, now_ms: int) -> tuple[int, int | None]:
        """The number that counts of two people who are one, and the other one."""
        two = [self.buyers[one][0] for one in (giver, taker) if one in self.buyers]
        kept = min(two, key=lambda number: self._use(number, now_ms))
        given_up = next((number for number in two if number != kept), None)
        self.moved.update(two)
        whose = giver if self.buyers[giver][0] == kept else taker
        self.buyers[taker] = self.buyers[whose]
        del self.buyers[giver]
        if given_up:
            self.numbers.done.add(given_up)
            if back := self.returns.get(given_up, 0):
                self.backs.done.add(back)
        return kept, given_up

    def heartbeat(self, number: int) -> object:
        side, at, _ = self._where(number)
        if number > self.numbers.issued:
            return "NotInQueue"
        side.here[self.slice % presence.SLICES].add(at)
        return None

    # Workers.

    def advance(self, *, now_ms: int) -> object:
        """(admitted, passed over, serving, return serving)."""
        self.slots = {place: slot for place, slot in self.slots.items() if slot.until_ms > now_ms}
        if self.phase in (Phase.SCHEDULED, Phase.PRE_QUEUE) and now_ms >= _opens_at_ms(self.rules):
            self.phase, self.bucket = Phase.OPEN, rate.empty(now_ms * 1_000)
            self.grace_until_ms = now_ms + presence.GRACE_MS
        want = self._may_come_in(now_ms)
        everyone = now_ms < self.grace_until_ms or not self.heard
        both = self.numbers.serving < self.numbers.issued and self.backs.serving < self.backs.issued
        first, _ = presence.shares(want, both_wait=both, odd_to_returns=self.return_turn)
        if not both:
            first = want
        backs, passed = self._walk(self.backs, "r", self.backs.issued, first, everyone, now_ms)
        numbers, more = self._walk(self.numbers, "", self.asked_3, want - backs, everyone, now_ms)
        rest, last = self._walk(self.backs, "r", self.backs.issued, want - backs - numbers, everyone, now_ms)
        admitted = backs + numbers + rest
        if both and admitted % 2:
            self.return_turn = not self.return_turn
        self.bucket = rate.spent(self.bucket, admitted)
        if now_ms - self.listened_at_ms >= LISTEN_MS or now_ms < self.listened_at_ms:
            self._listen(now_ms)
        return admitted, passed + more + last, self.numbers.serving, self.backs.serving

    def follow(self, place: str, kind: SlotKind, *, until_ms: int) -> None:
        side, at = (self.backs if place.startswith("r") else self.numbers), int(place.lstrip("r"))
        called, slot = at <= side.serving, self.slots.get(place)
        settled = kind is SlotKind.UNDECIDED and ((slot and slot.kind == "holding") or at in side.done)
        if called and not settled:
            if slot and kind is SlotKind.HOLDING and slot.kind != "holding":
                self.taken += 1
            self.slots.pop(place, None)
            if kind in SETS:
                self.slots[place] = Slot(SETS[kind], until_ms)
        if kind not in SETS:
            side.hands_free.discard(at)
            if called and kind is SlotKind.DONE:
                side.done.add(at)

    def configure(self, rules: QueueRules, *, now_ms: int) -> None:
        phase, before, old_rate = rules.phase, self.phase, self.rules.rate_per_minute
        if phase in (Phase.SCHEDULED, Phase.PRE_QUEUE) and now_ms >= _opens_at_ms(rules):
            phase = Phase.OPEN
        if before is Phase.OPEN:
            self.bucket = rate.settled(self.bucket, rate_per_minute=old_rate, now_us=now_ms * 1_000)
        room = min(rate.capacity(old_rate), rate.capacity(rules.rate_per_minute))
        self.bucket = Bucket(min(self.bucket.credits, room), now_ms * 1_000)
        if phase is Phase.OPEN and before is not Phase.OPEN:
            self.bucket = rate.empty(now_ms * 1_000)
            if before is not Phase.PAUSED:
                self.grace_until_ms = now_ms + presence.GRACE_MS
        if phase is Phase.OPEN and rules.rate_per_minute > old_rate:
            self.grace_until_ms = now_ms + presence.GRACE_MS
        self.rules, self.phase = rules, phase

    def set_stock(self, free: int) -> None:
        self.free, self.taken = free, 0

    def recover(self, restored: Restored, *, record: Record, emptied: bool, now_ms: int) -> None:
        """Everything is gone but what the record gives back; of another server's data buyers, returns and ends stay."""
        numbers, backs = self.numbers, self.backs
        self.numbers, self.backs = _restored(restored, numbers, backs, emptied=emptied)
        if emptied:
            self.buyers = {buyer: joined for buyer, joined in self.buyers.items() if buyer in record.journaled}
            self.returns, self.owners = {}, {}
        else:
            self.numbers.done, self.backs.done = numbers.done, backs.done
        self._live(self.rules, now_ms)
        for number, back in record.returns:
            self.returns[number], self.owners[back] = back, number
        for place, slot in record.slots.items():
            self.follow(place, slot.kind, until_ms=slot.until_ms)
        for place in record.admitted_again:
            self.slots[place] = Slot("admitted", record.until_ms)

    # What everybody sees.

    def standing(self, number: int, *, now_ms: int) -> str:
        side, at, place = self._where(number)
        if at in side.done:
            return "done"
        if at > side.serving:
            return "ahead"
        slot = self.slots.get(place)
        return slot.kind if slot and slot.until_ms > now_ms else "passed"

    def _use(self, number: int, now_ms: int) -> tuple[bool, bool, int]:
        standing = self.standing(number, now_ms=now_ms)
        return standing == "done", standing not in ("admitted", "entered", "holding"), number

    def place_of(self, number: int) -> str:
        return self._where(number)[2]

    # The rest.

    def _where(self, number: int) -> tuple[Side, int, str]:
        """On which side this number stands now, at which place, and what that is called."""
        back = self.returns.get(number, 0)
        return (self.backs, back, f"r{back}") if back else (self.numbers, number, str(number))

    def _give_back(self, number: int) -> int:
        self.backs.issued += 1
        self.returns[number], self.owners[self.backs.issued] = self.backs.issued, number
        return self.backs.issued

    def _may_come_in(self, now_ms: int) -> int:
        if self.phase is not Phase.OPEN:
            full = rate.capacity(self.rules.rate_per_minute)
            self.bucket = Bucket(min(full, self.bucket.credits), now_ms * 1_000)
            return 0
        self.bucket = rate.settled(self.bucket, rate_per_minute=self.rules.rate_per_minute, now_us=now_ms * 1_000)
        kinds = [slot.kind for slot in self.slots.values()]
        room = [ADMIT_MAX, rate.turns(self.bucket)]
        if self.rules.max_active:
            room.append(self.rules.max_active - len(kinds))
        if self.free is not None:
            room.append(self.free - self.taken - kinds.count("admitted") - kinds.count("entered"))
        return max(0, min(room))

    def _walk(self, side: Side, letter: str, asked_to: int, turns: int, everyone: bool, now_ms: int) -> tuple[int, int]:
        walked = presence.walk(side.lane(asked_to), turns=turns, everyone=everyone)
        side.serving = walked.serving
        for number in walked.admitted:
            booked = number in side.hands_free
            seconds = self.rules.choose_seconds if booked else self.rules.enter_seconds
            self.slots[f"{letter}{number}"] = Slot("entered" if booked else "admitted", now_ms + seconds * 1_000)
        return len(walked.admitted), len(walked.passed)

    def _listen(self, now_ms: int) -> None:
        slice_ = now_ms // presence.SLICE_MS
        for new in range(max(self.slice + 1, slice_ - 2), slice_ + 1):
            for side in (self.numbers, self.backs):
                side.here[new % presence.SLICES] = set()
            self.asked_3, self.asked_2, self.asked_1 = self.asked_2, self.asked_1, self.asked_to
        self.slice = slice_
        if self.phase is Phase.OPEN:
            soon = max(presence.ASKED_PEOPLE_MIN, self.rules.rate_per_minute * presence.ASKED_MINUTES)
            self.asked_to = max(self.asked_to, self.numbers.serving + soon)
        asked = heard = 0
        # Return numbers are all asked.
        for side, up_to in ((self.numbers, self.asked_3), (self.backs, self.backs.issued)):
            last = min(side.issued, side.serving + HEARD_NUMBERS_MAX, up_to)
            wanted = set(range(side.serving + 1, last + 1))
            asked += len(wanted - set(side.unknown)) - len(wanted & side.hands_free) - len(wanted & side.done)
            heard += max(len(wanted & slice_heard) for slice_heard in side.here)
        self.heard = heard * 2 >= asked
        self.listened_at_ms = now_ms


def _restored(restored: Restored, numbers: Side, backs: Side, *, emptied: bool) -> tuple[Side, Side]:
    """Both sides as they go on; what an older copy still knows is true as far as it goes."""
    old, old_back = (Side(), Side()) if emptied else (numbers, backs)
    issued, last = max(restored.issued, old.issued), max(restored.return_issued, old_back.issued)
    return (
        Side(issued, max(restored.serving, old.serving), range(restored.unknown_first, issued + 1)),
        Side(last, max(restored.return_serving, old_back.serving), range(restored.return_unknown_first, last + 1)),
    )


def _opens_at_ms(rules: QueueRules) -> int:
    return int(rules.opens_at.timestamp() * 1_000)
