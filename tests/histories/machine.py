"""Chooses what happens next, and holds the record against the model after every step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import Engine

from onsale.db.charges import Charge
from onsale.db.ids import BookingId, BuyerId, TicketId
from onsale.db.states import ENDED, SOLD, BookingState
from onsale.db.wishes import Wish
from onsale.errors import OnsaleError
from tests.builders import seat
from tests.histories.bank import CARDS
from tests.histories.booth import PAY_SECONDS, SEATS, TICKETS_PER_BUYER, Booth
from tests.histories.model import Made, Model, check, check_always, check_over
from tests.histories.seen import Seen

# Who joined first need not book first: a lane that has read may find itself behind a lower number.
NUMBERS = (4, 2, 6, 1, 5, 3, 7)
BOOKINGS_MAX = len(NUMBERS)
# Just not over, over and the bank is asked first, and over for more than the minute that it is asked for.
STEPS_SECONDS = (400, 30, 620)
NOT_YET_SAVED = (None, None, None, *CARDS)
ANY = st.integers(0, BOOKINGS_MAX - 1)
S = BookingState

named = st.sets(st.integers(1, SEATS), min_size=1, max_size=2)
wishes = st.one_of(named, st.integers(1, 2))
buyers = st.integers(0, 1)
lanes = st.integers(0, 1)
sizes = st.integers(1, 2)


# Every step by its name: when it makes sense, and what it is given.
STEPS: dict[str, tuple[Callable[[Any], bool], dict[str, Any]]] = {}


def step(when: Callable[[Any], bool] = lambda _: True, **arguments: Any) -> Callable[..., Any]:
    """A rule that may be chosen when it makes sense."""

    def marked(act: Callable[..., None]) -> Any:
        STEPS[act.__name__] = when, arguments
        return precondition(lambda self: not self.focus and when(self))(rule(**arguments)(act))

    return marked


class History(RuleBasedStateMachine):
    """One history. `engine` and `people` are set by whoever runs it, and `focus`: the only steps to choose from."""

    engine: Engine
    people: Sequence[BuyerId]
    focus: frozenset[str] = frozenset()
    told: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self) -> None:
        super().__init__()
        self.booth = Booth(self.engine, self.people)
        seats = tuple(seat(self.booth.event_id, n) for n in range(1, SEATS + 1))
        self.model = Model(seats=seats, limit=TICKETS_PER_BUYER, pay_seconds=PAY_SECONDS)
        self.made: list[Made] = []
        self.requests: dict[BookingId, Any] = {}
        # A payment worker that has read a booking, and how many cards were tried then.
        self.reader: tuple[Charge, int] | None = None
        self.heard: set[str] = set()

    @precondition(lambda self: self.focus)
    @rule(given=st.data())
    def one_of_few(self, given: Any) -> None:
        """Of the steps in focus: as rules, Hypothesis would leave most of them out of most histories."""
        sensible = [name for name in sorted(self.focus) if STEPS[name][0](self)]
        if sensible:
            name = given.draw(st.sampled_from(sensible))
            getattr(self, name)(**{each: given.draw(kind) for each, kind in STEPS[name][1].items()})

    # Buyers.

    @initialize(who=buyers, what=wishes, card=st.sampled_from(NOT_YET_SAVED))
    def begins(self, who: int, what: Any, card: str | None) -> None:
        """Nothing happens before somebody has booked and been given tickets."""
        self._book(who, what, card=card)
        self._lane_reads(0, 1)
        self._lane_writes(0)

    @step(
        lambda self: bool(len(self.made) < BOOKINGS_MAX),
        who=buyers,
        what=wishes,
        early=st.booleans(),
        card=st.sampled_from(NOT_YET_SAVED),
    )
    def books(self, who: int, what: Any, early: bool, card: str | None) -> None:
        # Nobody is early where no turn ever comes.
        early = early and (not self.focus or "turn_comes" in self.focus)
        self._book(who, what, card=card, early=early)

    @step(lambda self: bool(self.made and len(self.made) < BOOKINGS_MAX), which=ANY, what=wishes)
    def books_again_with_the_same_admission(self, which: int, what: Any) -> None:
        before = self._one(which)
        who = self.people.index(BuyerId(before.buyer))
        self._book(who, what, admission=before.admission)

    @step(lambda self: bool(len(self.made) < BOOKINGS_MAX - 1), who=buyers, one=wishes, other=wishes)
    def books_twice_at_once(self, who: int, one: Any, other: Any) -> None:
        """Neither post sees the other: each is counted against what was there before."""
        buyer = self.people[who]
        pair = [self._wish(what) for what in (one, other)]
        if any(self.model.refusal(buyer, wish, "new") for wish in pair):
            return
        numbers = NUMBERS[len(self.made) :]
        new = [self.booth.new_booking(buyer, wish, number=number) for number, wish in zip(numbers, pair, strict=False)]
        self.booth.accept_both(*new)
        for each in new:
            self._accepted(each, S.QUEUED, None)
        self._compare()

    @step(which=ANY, other_body=st.booleans())
    def presses_twice(self, which: int, other_body: bool) -> None:
        """The same key again, with the same request or with another."""
        one = self._one(which)
        body = b"another request, 32 bytes long.." if other_body else self.requests[one.id].request_hash
        again = self.booth.new_booking(
            BuyerId(one.buyer), one.wish, number=one.number, idempotency_key=one.key, request_hash=body
        )
        wrong = self._refused(
            lambda: check(self.booth.accept(again).booking.id == one.id, "the key made another booking")
        )
        check(wrong == ("IdempotencyKeyReused" if other_body else ""), "pressed twice:", wrong)
        self._compare()

    @step(which=ANY)
    def cancels(self, which: int) -> None:
        one = self._one(which)
        refused = self._refused(lambda: self.booth.cancel(one.id, one.buyer))
        check(refused == ("" if self.model.may_cancel(one) else "IllegalMove"), "a cancellation:", refused)
        if not refused:
            self.model.cancelled(one)
        self._compare()

    @step(which=ANY)
    def asks_for_time(self, which: int) -> None:
        one = self._one(which)
        refused = self._refused(lambda: self.booth.extend(one.id, one.buyer))
        check((not refused) == self.model.may_extend(one), "an extension in", one.state, refused)
        if not refused:
            self.model.extended(one)
        self._compare()

    @step(which=ANY, card=st.sampled_from(CARDS), again=st.booleans())
    def pays(self, which: int, card: str, again: bool) -> None:
        """With a card; `again`: with the key of the last press."""
        one = self._one(which)
        keyed = again and one.cards and one.cards[-1][1]
        card, key = one.cards[-1] if keyed else (card, f"{one.id}-{len(one.cards)}")
        under_way = one.state in (S.AUTHORISING, S.REQUIRES_ACTION) and one.cards and one.cards[-1][0] == card
        refused = self._refused(lambda: self.booth.pay(one.id, card, key) and None)
        if not (keyed or under_way):
            check((not refused) == self.model.may_pay(one), "a card in", one.state, refused)
            if not refused:
                self.model.paid(one, card, key)
        self._compare()

    # The house.

    @step(serving=st.integers(1, BOOKINGS_MAX))
    def turn_comes(self, serving: int) -> None:
        self.booth.turn_comes(serving)
        self.model.turn_comes(serving)
        self._compare()

    @step(which=lanes, size=sizes)
    def lane_reads(self, which: int, size: int) -> None:
        self._lane_reads(which, size)

    @step(which=lanes)
    def lane_writes(self, which: int) -> None:
        self._lane_writes(which)

    @step(which=ANY)
    def worker_reads(self, which: int) -> None:
        one = self._one(which)
        found = self.booth.read_charge(one.id)
        self.reader = (found, len(one.cards)) if found else None

    @step(lambda self: self.reader is not None)
    def worker_takes_the_step_it_read(self) -> None:
        """Also for the second time: that is the twin who read the same."""
        assert self.reader is not None
        charge, cards = self.reader
        self.booth.take_step(charge)
        # What it began itself it knows of.
        began = charge.booking.payment_method is not None and not cards
        self._adopt({} if began else {charge.booking.id: cards})

    @step(which=ANY)
    def worker_reads_and_takes_its_step(self, which: int) -> None:
        self.worker_reads(which)
        self.worker_takes_the_step_it_read()

    @step(which=ANY)
    def resumes(self, which: int) -> None:
        self.booth.resume(self._one(which).id)
        self._adopt({})

    @step(which=ANY, again=st.booleans())
    def hears_from_the_bank(self, which: int, again: bool) -> None:
        """A webhook, and the same once more."""
        one = self._one(which)
        event = f"evt_{one.id}_{'' if again else len(self.heard)}"
        check(self.booth.hear(event, one.id) == (event not in self.heard), "a webhook that came before is news")
        self.heard.add(event)
        self.booth.resume(one.id)
        self._adopt({})

    @step()
    def sweeps(self) -> None:
        self.booth.sweep()
        self.model.expired()
        self._adopt({})

    # The world.

    @step(which=ANY, yes=st.booleans())
    def bank_decides(self, which: int, yes: bool) -> None:
        intent = self.booth.bank.of_booking(self._one(which).id)
        if intent is not None:
            self.booth.bank.decides(intent.id, yes=yes)

    @step()
    def next_answer_is_lost(self) -> None:
        self.booth.bank.answers_lost = 1

    @step(seconds=st.sampled_from(STEPS_SECONDS))
    def time_passes(self, seconds: int) -> None:
        self.booth.time_passes(seconds)
        self.model.now += seconds
        self._compare()

    def teardown(self) -> None:
        """Everybody goes home, every worker works: then all has ended, and no money lies anywhere."""
        self.told()
        if sys.exc_info()[0] is None:
            settle(self.booth, self.model)

    # How.

    def _one(self, which: int) -> Made:
        return self.made[which % len(self.made)]

    def _wish(self, what: Any) -> Wish:
        if isinstance(what, int):
            return Wish(quantity=what)
        return Wish(tickets=tuple(TicketId(self.model.seats[n - 1]) for n in sorted(what)))

    def _book(self, who: int, what: Any, *, card: str | None = None, early: bool = False, admission: str = "") -> None:
        buyer, wish, number = self.people[who], self._wish(what), NUMBERS[len(self.made)]
        admission, state = admission or str(number), S.WAITING if early else S.QUEUED
        new = self.booth.new_booking(
            buyer, wish, number=number, state=state, payment_method=card, admission_id=admission
        )
        expected = self.model.refusal(buyer, wish, admission)
        refused = self._refused(lambda: self.booth.accept(new) and None)
        check(refused == expected, "a booking was refused with", refused, "and should be with", expected)
        if not refused:
            self._accepted(new, state, card)
        self._compare()

    def _accepted(self, new: Any, state: BookingState, card: str | None) -> None:
        one = Made(new.id, new.buyer_id, new.idempotency_key, new.number, new.admission_id, new.wishes[0], state)
        one.saved = card
        self.made.append(one)
        self.model.made[one.id] = one
        self.requests[one.id] = new

    def _lane_reads(self, which: int, size: int) -> None:
        lane = self.booth.lanes[which]
        self.booth.lane_reads(lane, size)
        assert lane.batch is not None
        expected = [one.id for one in self.model.next_batch(size)]
        check([one.id for one in lane.batch.bookings] == expected, "a batch is not the head of the line")
        self.model.check_decisions(lane.batch.requests, lane.decisions)

    def _lane_writes(self, which: int) -> None:
        lane = self.booth.lanes[which]
        decisions = lane.decisions
        if not decisions:
            return
        stale, all_sold = self.model.is_stale(decisions), self._all_sold()
        written = self.booth.lane_writes(lane)
        check(written != stale, "a stale batch was written" if written else "a good batch was refused")
        if written:
            self.model.decided(decisions, all_sold=all_sold)
        self._compare()

    def _all_sold(self) -> bool:
        sold = [one.tickets for one in self.made if one.state in SOLD]
        return sum(map(len, sold)) == SEATS

    def _refused(self, act: Callable[[], None]) -> str:
        """The name of the refusal; empty when it was done."""
        try:
            act()
        except OnsaleError as refused:
            return type(refused).__name__
        return ""

    def _adopt(self, newest_seen: dict[BookingId, int]) -> None:
        seen = self.booth.look()
        self.model.adopt(seen, self.booth.bank, newest_seen=newest_seen)
        self._compare(seen)

    def _compare(self, seen: Seen | None = None) -> None:
        seen = seen or self.booth.look()
        self.model.compare(seen)
        check_always(seen, self.booth.bank, self.model)


def settle(booth: Booth, model: Model) -> None:
    """Let everything come to its end, as workers, sweeps and time do."""
    booth.bank.answers_lost = 0
    booth.turn_comes(BOOKINGS_MAX)
    for intent in list(booth.bank.intents):
        if booth.bank.intents[intent].status.value == "processing":
            booth.bank.decides(intent, yes=True)
    for _ in range(BOOKINGS_MAX):
        booth.lane_reads(booth.lanes[0], BOOKINGS_MAX)
        if not booth.lanes[0].decisions:
            break
        booth.lane_writes(booth.lanes[0])
    _resume_all(booth)
    booth.time_passes(10 * PAY_SECONDS)
    booth.sweep()
    seen = _resume_all(booth)
    check_always(seen, booth.bank, model)
    check_over(seen, booth.bank)


def _resume_all(booth: Booth) -> Seen:
    for one in booth.look().bookings.values():
        if one.state not in ENDED or one.settled is False:
            booth.resume(one.id)
    return booth.look()
