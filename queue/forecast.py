"""How fast numbers will be called from now on: the rate in force, slots and their turnover, tickets, the absent,
returns.

Pure. The answer is a few pieces, each so many people at such a speed, the first for those next in line; nobody's
number is in it, so it is reckoned once for an event however many wait.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onsale.queue import odds
from onsale.queue.flow import Flow, Sample
from onsale.queue.state import QueueState
from onsale.queue.stays import stay

# A band reaches from this part of the expected wait to that one: less than a factor of two.
SOONEST, LATEST = 0.74, 1.38
# How long people stay inside is measured once so many have left, and each slot was used twice: after one use the time
# when nobody could have left yet still counts for half. Until then it is reckoned from what has been seen
# (queue/stays.py), and this much is not in that reckoning.
LEFT_KNOWN = 12
LEFT_PER_SLOT = 2.0
MORE = 1.1
# Of those waiting, before anybody was asked to show presence: the band around it reaches from six in ten to everybody.
PRESENT_PRIOR = 0.82
ASKED_KNOWN = 20
# After an opening it takes this long until anybody may be passed over.
PATIENCE_MINUTES = 1.0
# The last tickets go by chance: nobody is told a time that only a returned ticket would keep.
TICKETS_SURE = 0.9
LEAST_PER_MINUTE = 0.01


@dataclass(frozen=True, slots=True)
class Piece:
    """`people` numbers (None: all the others) are called at between `slow` and `fast` a minute."""

    people: int | None
    fast: float
    slow: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The pieces for queue numbers and for return numbers, and what they were made of, for saying what changed."""

    pieces: tuple[Piece, ...]
    returns: tuple[Piece, ...]
    present: float
    returns_share: float
    slots_bind: bool
    tickets_bind: bool
    # False while how long people stay inside is a guess, and that counts.
    sure: bool = True


@dataclass(frozen=True, slots=True)
class _Admitting:
    """`people` (None: all the others) let in at `middle` a minute; `soonest` and `latest` as parts of the wait."""

    people: float
    middle: float
    soonest: float = SOONEST
    latest: float = LATEST


def forecast(state: QueueState, flow: Flow, samples: Sequence[Sample] = ()) -> Forecast:
    """What is to be expected of an open queue, or of one that will open."""
    present, share = present_share(state, flow), _returns_share(state, flow)
    tickets = tickets_for(state)
    slots = _slots(state, flow, samples)
    if not slots:
        return Forecast((), (), present, share, False, False)
    pieces = _numbers(state, flow, slots, present)
    limit = None if tickets is None else max(0, int(tickets * TICKETS_SURE / present))
    return Forecast(
        _up_to(pieces, limit),
        _returns(state, slots),
        present,
        share,
        slots_bind=len(slots) > 1 or slots[0].middle < state.rules.rate_per_minute,
        tickets_bind=limit is not None and limit < state.uncalled,
        sure=len(slots) == 1 or _stay_known(state, flow),
    )


def present_share(state: QueueState, flow: Flow) -> float:
    """How many of the next hundred numbers, as a part of one, will be let in rather than passed over."""
    if state.asked is not None and state.heard is not None and state.asked >= ASKED_KNOWN:
        # Under half of those asked heard: everyone counts as present (queue/presence.py).
        return state.heard / state.asked if state.heard * 2 >= state.asked else 1.0
    if flow.called >= ASKED_KNOWN and not _patient(state):
        return min(1.0, max(0.2, (flow.admitted - flow.returns_called) / flow.called))
    return PRESENT_PRIOR


def tickets_for(state: QueueState) -> float | None:
    """How many more people may be let in until as many choose as there are tickets free; None: no stock was told."""
    if state.free is None:
        return None
    taken = odds.demand(state)
    each = max(0.25, taken.buys_percent / 100 * taken.tickets_per_buyer)
    return max(0.0, (state.free - state.choosing) / each)


def _patient(state: QueueState) -> bool:
    return state.now_ms < state.grace_until_ms or state.asked_long <= state.serving


def _slots(state: QueueState, flow: Flow, samples: Sequence[Sample]) -> list[_Admitting]:
    """How people are let in by rate and slots, returns and all; empty at rate 0."""
    rate, most = float(state.rules.rate_per_minute), state.rules.max_active
    if rate <= 0:
        return []
    if most <= 0:
        return [_Admitting(math.inf, rate)]
    if not _stay_known(state, flow):
        return _slots_unknown(state, samples, rate, most)
    gone = flow.left / flow.stayed
    turnover = max(LEAST_PER_MINUTE, gone * most)
    if turnover >= rate:
        return [_Admitting(math.inf, rate)]
    until_full = max(0.0, _people_until_full(rate, gone, most, state.active))
    return [_Admitting(until_full, rate), _Admitting(math.inf, turnover)]


def _stay_known(state: QueueState, flow: Flow) -> bool:
    return flow.left >= LEFT_KNOWN and _left_per_slot(state) >= LEFT_PER_SLOT and flow.stayed > 0


def _left_per_slot(state: QueueState) -> float:
    """Of those let in first, as many as there are slots, the part that has left."""
    first = min(state.rules.max_active, state.admitted_total)
    return (state.admitted_total - state.active) / first if first > 0 else 0.0


def _slots_unknown(state: QueueState, samples: Sequence[Sample], rate: float, most: int) -> list[_Admitting]:
    """While the first are inside: between the shortest and the longest stay that fit what was seen."""
    stays = stay(samples, allowed_minutes=(state.rules.choose_seconds + state.rules.pay_seconds) / 60)
    if most / stays.long >= rate:
        return [_Admitting(math.inf, rate)]
    slow, fast = min(rate / LATEST, most / stays.long / MORE), min(rate / SOONEST, most / stays.short * MORE)
    middle = math.sqrt(slow * fast)
    return [_Admitting(max(0, most - state.active), rate), _Admitting(math.inf, middle, middle / fast, middle / slow)]


def _people_until_full(rate: float, gone: float, most: int, active: int) -> float:
    """Let in at `rate` while a part `gone` a minute leaves, until `most` are inside."""
    if active >= most:
        return 0.0
    rest = rate / gone
    return rate * math.log((rest - active) / (rest - most)) / gone


def _returns_share(state: QueueState, flow: Flow) -> float:
    """The part of the turns that returns take now."""
    if state.returns_uncalled:
        return 0.5
    return min(0.5, flow.returns_called / flow.admitted) if flow.admitted else 0.0


def _numbers(state: QueueState, flow: Flow, slots: list[_Admitting], present: float) -> list[Piece]:
    """Queue numbers called: who is let in, without the turns of returns, with those passed over."""
    now = next(one.middle for one in slots if one.people > 0)
    patient = now * PATIENCE_MINUTES if _patient(state) else 0.0
    if state.now_ms < state.grace_until_ms:
        patient = max(patient, now * (state.grace_until_ms - state.now_ms) / 60_000)
    backlog, after = _backlog(state, flow, now)
    pieces, gone = [], 0.0
    for one in slots:
        end = gone + one.people
        for cut in sorted({cut for cut in (patient, backlog, end) if gone < cut <= end}):
            share = 0.5 if cut <= backlog else 1 - after
            called = share if cut <= patient else share / present
            people = None if math.isinf(cut) else math.ceil((cut - gone) * called)
            speed = max(LEAST_PER_MINUTE, one.middle * called)
            if people != 0:
                pieces.append(Piece(people, _short(speed / one.soonest), _short(speed / one.latest)))
            gone = cut
    return pieces


def _backlog(state: QueueState, flow: Flow, per_minute: float) -> tuple[float, float]:
    """(people let in until those who came back have had their half of the turns, the share of returns after that)."""
    waiting = state.returns_uncalled
    coming = flow.came_back / flow.minutes if flow.minutes >= 1 else 0.0
    after = min(0.5, coming / per_minute)
    if waiting <= 0:
        return 0.0, after
    spare = per_minute / 2 - coming
    return (math.inf if spare <= per_minute * 0.02 else per_minute * waiting / spare), after


def _returns(state: QueueState, slots: list[_Admitting]) -> tuple[Piece, ...]:
    """Return numbers: half of the turns while others wait too, each one while nobody does."""
    share = 0.5 if state.uncalled else 1.0
    return tuple(
        Piece(
            None if math.isinf(one.people) else math.ceil(one.people * share),
            _short(one.middle * share / one.soonest),
            _short(one.middle * share / one.latest),
        )
        for one in slots
        if one.people > 0
    )


def _up_to(pieces: list[Piece], limit: int | None) -> tuple[Piece, ...]:
    """The pieces for the first `limit` people only."""
    if limit is None:
        return tuple(pieces)
    kept: list[Piece] = []
    for piece in pieces:
        people = limit if piece.people is None else min(limit, piece.people)
        if people > 0:
            kept.append(Piece(people, piece.fast, piece.slow))
        limit -= people
    return tuple(kept)


def _short(per_minute: float) -> float:
    """Three digits: more would only change the document's ETag."""
    return float(f"{per_minute:.3g}")
