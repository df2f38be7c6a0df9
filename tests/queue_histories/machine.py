"""Chooses what happens next in a waiting room, and holds the scripts against the model after every step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis import Redis

from onsale.db.ids import BuyerId
from onsale.errors import BadQueueToken, OnsaleError
from onsale.queue import recovery
from onsale.queue.place_store import Handing, PlaceStore
from onsale.queue.recovery import Mark
from onsale.queue.state import Phase, SlotKind, SlotState
from onsale.queue.store import QueueStore
from onsale.queue.tokens import QueueToken, Tokens
from tests.queue_histories.model import Model, Record
from tests.services.waiting_room import EVENT, MINUTE_MS, RULES, START_MS, Room

PEOPLE = tuple(BuyerId(UUID(int=number << 96 | number)) for number in range(1, 13))
BLOCK = 8
SLOT_MS = 5 * MINUTE_MS
# Two keys are known at a time: what the one before last signed proves nothing any more.
KEYS_KNOWN = 2
STEPS_MS = (100, 1_000, 5_000, 30_000, 61_000, 125_000, -3_000)

people = st.sampled_from(range(len(PEOPLE)))


def _answer(call, *arguments, **named):
    """What a call answers, or the name of its refusal."""
    try:
        return call(*arguments, **named)
    except OnsaleError as error:
        return type(error).__name__


class WaitingRoom(RuleBasedStateMachine):
    """One history; `client`, and a store on it (perhaps with a guard cut out of a script), are set by the runner."""

    client: Redis
    store: QueueStore

    @initialize(rate=st.sampled_from((60, 600)), opens_in_ms=st.sampled_from((0, 0, 10_000)))
    def begin(self, rate, opens_in_ms):
        self.client.flushdb()
        phase = Phase.PRE_QUEUE if opens_in_ms else Phase.OPEN
        opens_at = RULES.opens_at.fromtimestamp((START_MS + opens_in_ms) / 1_000, RULES.opens_at.tzinfo)
        rules = replace(RULES, phase=phase, opens_at=opens_at, rate_per_minute=rate)
        self.room = Room(self.client, rules=rules, block=BLOCK, store=self.store)
        self.model = Model(rules, block_end=BLOCK, now_ms=START_MS)
        self.keys = 1
        self.tokens: dict[BuyerId, str] = {}
        # Who took a number, and whose it is now.
        self.given: dict[int, BuyerId] = {}
        self.holder: dict[int, BuyerId] = {}
        self.places = PlaceStore(self.client)
        self.accounts: set[BuyerId] = set()
        self.gave: dict[BuyerId, tuple[BuyerId, int, int | None]] = {}
        self.least_ahead: dict[int, int] = {}
        self.mark = Mark(0, 0, 0, 0, START_MS)

    @property
    def signer(self):
        newest = range(self.keys, max(0, self.keys - KEYS_KNOWN), -1)
        return Tokens([(f"k{key}", f"secret {key}") for key in newest])

    def number_of(self, person):
        """The number this person has as far as the queue knows; 0: none."""
        return self.model.buyers.get(PEOPLE[person], (0, 0))[0]

    # People.

    @rule(person=people, with_token=st.booleans())
    def join(self, person, with_token):
        buyer, proven = PEOPLE[person], 0
        if with_token and buyer in self.tokens:
            with suppress(BadQueueToken):
                proven = self.signer.verify_queue(self.tokens[buyer], event_id=EVENT, buyer_id=buyer).number
        joined = _answer(self.room.join, buyer, proven=proven or None)
        said = joined if isinstance(joined, str) else joined.number

        assert said == self.model.join(buyer, proven=proven, now_ms=self.room.now_ms)
        if not isinstance(joined, str):
            whose = self.holder.setdefault(joined.number, buyer)
            assert whose == buyer, f"number {joined.number} was given twice"
            self.given.setdefault(joined.number, buyer)
            self.tokens[buyer] = self.signer.sign_queue(QueueToken(EVENT, joined.number, buyer, joined.joined_at_ms))

    @rule(crowd=st.integers(2, 6))
    def a_crowd_comes(self, crowd):
        for person in [one for one in range(len(PEOPLE)) if not self.number_of(one)][:crowd]:
            self.join(person, with_token=False)

    @precondition(lambda self: self.model.buyers)
    @rule(guest=people, account=people)
    def a_guest_signs_in(self, guest, account):
        giver, taker = PEOPLE[guest], PEOPLE[account]
        # An account gives nothing away, and a guest only once.
        if guest == account or giver not in self.model.buyers or giver in {*self.accounts, *self.gave}:
            return
        gave, had = (self.room.store.place_of(EVENT, one, now_ms=self.room.now_ms) for one in (giver, taker))
        handing = Handing(giver, taker, gave, had)
        assert self.places.hand_over(EVENT, handing)
        said = handing.kept.number, handing.given_up.number if handing.given_up else None
        assert said == self.model.hand_over(giver, taker, now_ms=self.room.now_ms)
        self.accounts.add(taker)
        self.gave[giver] = (taker, *said)
        self.holder[said[0]] = taker

    @precondition(lambda self: self.model.buyers)
    @rule(person=people)
    def enter(self, person):
        if number := self.number_of(person):
            said = _answer(self.room.store.enter, EVENT, str(number), now_ms=self.room.now_ms)
            said = said if isinstance(said, str) else (said.admission_id, said.deadline_ms)
            assert said == self.model.enter(number, now_ms=self.room.now_ms)

    @precondition(lambda self: self.model.buyers)
    @rule(person=people)
    def come_back(self, person):
        if number := self.number_of(person):
            said = _answer(self.room.come_back, number)
            assert said == self.model.come_back(number, now_ms=self.room.now_ms)

    @precondition(lambda self: self.model.buyers)
    @rule(person=people)
    def book_hands_free(self, person):
        if number := self.number_of(person):
            said = _answer(self.room.store.stay, EVENT, number, now_ms=self.room.now_ms)
            said = said if isinstance(said, str) else (said.return_number or 0, said.standing.value)
            assert said == self.model.stay(number, now_ms=self.room.now_ms)

    @precondition(lambda self: self.model.buyers)
    @rule(person=people)
    def leave(self, person):
        if number := self.number_of(person):
            assert _answer(self.room.store.leave, EVENT, str(number)) == self.model.leave(number)

    @precondition(lambda self: self.model.buyers)
    @rule(present=st.sets(people, min_size=1))
    def heartbeats(self, present):
        for number in filter(None, map(self.number_of, sorted(present))):
            assert _answer(self.room.store.heartbeat, EVENT, str(number)) == self.model.heartbeat(number)

    # Time, workers, the organiser.

    @rule(step_ms=st.sampled_from(STEPS_MS))
    def later(self, step_ms):
        self.room.later(step_ms)
        self.advance()

    @rule()
    def advance(self):
        run = self.room.advance()
        said = (run.admitted, run.passed_over, run.serving, run.return_serving)
        assert said == self.model.advance(now_ms=self.room.now_ms)
        self.mark = self._marked()

    @precondition(lambda self: self.model.slots)
    @rule(person=people, kind=st.sampled_from(SlotKind))
    def a_booking_moves(self, person, kind):
        if number := self.number_of(person):
            place = self.model.place_of(number)
            until_ms = self.room.now_ms + SLOT_MS
            self.room.store.follow(EVENT, {place: SlotState(kind, until_ms)})
            self.model.follow(place, kind, until_ms=until_ms)

    @rule(
        rate=st.sampled_from((0, 6, 60, 600)),
        max_active=st.sampled_from((0, 0, 2)),
        phase=st.sampled_from((Phase.OPEN, Phase.OPEN, Phase.OPEN, Phase.PAUSED, Phase.CLOSED)),
    )
    def the_organiser_changes(self, rate, max_active, phase):
        self.room.configure(rate_per_minute=rate, max_active=max_active, phase=phase)
        self.model.configure(self.room.rules, now_ms=self.room.now_ms)

    @rule(free=st.integers(0, 6))
    def stock_is_told(self, free):
        self.room.store.set_stock(EVENT, (), free=free, held=0)
        self.model.set_stock(free)

    @rule()
    def a_block_is_reserved(self):
        self._grant(self.model.block_end + BLOCK)

    @rule()
    def the_keys_change(self):
        self.keys += 1

    # Accidents.

    @rule(emptied=st.booleans(), lost=st.integers(0, 2))
    def the_queue_is_lost(self, emptied, lost):
        """Its server comes back with nothing, or another one with the same data. The last to join were not written."""
        model, room, now_ms = self.model, self.room, self.room.now_ms
        by_number = sorted((number, buyer) for buyer, (number, _) in model.buyers.items())
        # A number that was handed over is in the record before the queue knows.
        late = [one for one in by_number if one[1] not in self.accounts][::-1][:lost] if emptied else []
        journaled = [one for one in by_number if one not in late]
        returns = sorted(model.returns.items())
        slots = self._slots()
        restored = recovery.restored(
            self.mark,
            last_reserved=model.block_end,
            journal_last=max((number for number, _ in journaled), default=0),
            return_last=max((back for _, back in returns), default=0),
            rate_per_minute=room.rules.rate_per_minute,
            alive_ms=now_ms,
        )
        again = recovery.admitted_again(restored, first=1, return_first=1, taken=slots, slots_left=1_000)
        if emptied:
            self.client.flushdb()
        else:
            self.client.hset(room.keys.queue, "run_id", "0" * 40)

        assert _answer(room.advance) == "QueueRecovering"
        assert _answer(room.join, PEOPLE[0]) == "QueueRecovering"
        assert room.store.begin_recovery(EVENT, restored, room.rules, version=room.version, now_ms=now_ms)
        handed = [(one, to, (number, *filter(None, [up]))) for one, (to, number, up) in self.gave.items()]
        self.places.forget_handed_over(EVENT, handed)
        room.store.restore_joins(EVENT, [(number, buyer, now_ms) for number, buyer in journaled])
        nobodys = {up for _, _, up in self.gave.values()}
        kept = [(to, number, now_ms) for to, number, _ in self.gave.values() if number not in nobodys]
        self.places.restore_handed_over(EVENT, kept)
        room.store.restore_returns(EVENT, returns)
        room.store.follow(EVENT, slots)
        room.store.restore_admitted(EVENT, again, deadline_ms=now_ms + MINUTE_MS)
        assert room.store.finish_recovery(EVENT, now_ms=now_ms)

        record = Record(frozenset(buyer for _, buyer in journaled), returns, slots, again, now_ms + MINUTE_MS)
        model.recover(restored, record=record, emptied=emptied, now_ms=now_ms)
        self._grant(model.numbers.issued + BLOCK)
        self.mark = self._marked()

    # What must hold.

    @invariant()
    def both_say_the_same_and_nobody_moves_back(self):
        state, model, now_ms = self.room.state(), self.model, self.room.now_ms
        kinds = [slot.kind for slot in model.slots.values()]
        assert (state.issued, state.serving) == (model.numbers.issued, model.numbers.serving)
        assert (state.return_issued, state.return_serving) == (model.backs.issued, model.backs.serving)
        assert state.waiting == max(0, model.numbers.waiting + model.backs.waiting)
        assert [state.admitted, state.entered, state.holding] == [
            kinds.count(kind) for kind in ("admitted", "entered", "holding")
        ]
        assert state.rules.phase is model.phase
        for number in self.given:
            ahead = max(0, number - state.serving - 1)
            assert ahead <= self.least_ahead.setdefault(number, ahead), f"number {number} fell back"
            self.least_ahead[number] = ahead
        for buyer, (number, _) in model.buyers.items():
            place = self.room.store.place_of(EVENT, buyer, now_ms=now_ms)
            assert place is not None
            assert (place.number, place.return_number or 0) == (number, model.returns.get(number, 0))
            assert place.standing.value == model.standing(number, now_ms=now_ms)

    # The rest.

    def _grant(self, last):
        self.room.store.grant_block(EVENT, last)
        self.model.block_end = last

    def _marked(self):
        numbers, backs = self.model.numbers, self.model.backs
        return Mark(numbers.serving, backs.serving, numbers.issued, backs.issued, self.room.now_ms)

    def _slots(self):
        """What bookings say of their places: those that are in, and those that are used up."""
        model = self.model
        kinds = {"entered": SlotKind.UNDECIDED, "holding": SlotKind.HOLDING}
        slots = {
            place: SlotState(kinds[slot.kind], slot.until_ms)
            for place, slot in model.slots.items()
            if slot.kind in kinds
        }
        for letter, side in (("", model.numbers), ("r", model.backs)):
            slots.update({f"{letter}{at}": SlotState(SlotKind.DONE) for at in side.done})
        return slots
