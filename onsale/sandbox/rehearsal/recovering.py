"""How booking went after a kill: when it was back, and when bookings were decided and paid and numbers called. Pure.

Back means: from then on 99 % of what buyers wanted to get tickets succeeded, request by request and booking by booking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from onsale.sandbox.rehearsal.figures import BOOKING_ROUTES
from onsale.sandbox.rehearsal.journal import SERVER_ERROR, Exchanges, Journal
from onsale.sandbox.rehearsal.watching import Sample
from onsale.sandbox.visitor.visit import Awaited, Awaiting

SUCCESS_SHARE = 0.99
# A booking, or a payment, that takes so much longer than is usual is late. Usual is the median of those that ended
# before the kill; where fewer than these had, it is what the fastest tenth of all took.
LATE_SECONDS = 5.0
USUAL_MIN = 5
OPEN = "open"
ADMIT = "admit"


@dataclass(frozen=True)
class Killed:
    """One `kill -9`, and when: seconds from the opening."""

    process: str
    at_booking: int
    at: float


@dataclass(frozen=True)
class Recovered:
    """A kill, and seconds from it: until booking was back, and until the first success of each kind.

    None: booking never came back; or, of the others, that nobody was seen to need it.
    """

    process: str
    at_booking: int
    at_seconds: float
    recovered_seconds: float | None
    decided_again_seconds: float | None = None
    paid_again_seconds: float | None = None
    called_again_seconds: float | None = None


def recoveries(journal: Journal, killed: Sequence[Killed], samples: Sequence[Sample]) -> list[Recovered]:
    """Each kill, judged until the next one; booking that was not back by then is counted on until it was after that."""
    began_at = journal.exchanges.began_at
    awaited = [each.since(began_at) for visit in journal.visits for each in visit.awaited]
    found: list[Recovered] = []
    until = journal.seconds + 1
    for kill in reversed(killed):
        one = _of_one(kill, until, journal.exchanges, awaited=awaited, samples=samples)
        if one.recovered_seconds is None and found and found[0].recovered_seconds is not None:
            one = replace(one, recovered_seconds=round(until - kill.at + found[0].recovered_seconds, 3))
        found.insert(0, one)
        until = kill.at
    return found


def recovery_seconds(exchanges: Exchanges, awaited: Iterable[Awaited], killed_at: float, until: float) -> float | None:
    """How long after a kill the last bad second ended; 0 where there was none, None where booking was not back.

    A second is bad when less than 99 % of the requests answered in it succeeded (enter, book, pay, ask how a booking
    stands; an answer below 500 is a success), or when more than 1 % of the bookings waited for in it were late, or more
    than 1 % of the payments. A booking is waited for from the answer 202 until it is held or honestly refused, a
    payment from its 202 until it is confirmed or declined; one is late when it takes LATE_SECONDS more than is usual.
    A booking made before its turn waits for that, and is not counted.
    """
    answered = _answered(exchanges, killed_at, until)
    bad = {second for second, well in answered.items() if _is_bad(well)}
    if bad and max(bad) == max(answered):
        return None
    seen = list(awaited)
    for kind in Awaiting:
        of_kind = [each for each in seen if each.what is kind]
        limit = LATE_SECONDS + _usual_seconds(of_kind, killed_at)
        if any(_is_late_at(until, each, limit) for each in of_kind):
            return None
        bad |= {second for second, well in _in_time(of_kind, limit, killed_at, until).items() if _is_bad(well)}
    return float(max(bad) + 1) if bad else 0.0


def called_again_seconds(samples: Sequence[Sample], killed_at: float, until: float) -> tuple[float | None, bool]:
    """How long after a kill more numbers had been called, and whether people were still waiting for it at the end.

    As the queue's status says, which is looked at once a second and up to a second old. What it first says after the
    kill is where it stood; None where nobody waited who could be called. While as many choose as tickets are free
    nobody is: that time does not count.
    """
    after = [one for one in samples if killed_at <= one.at < until and "serving" in one.status]
    waited = [one for one in after if _somebody_waits(one)]
    if not waited:
        return None, False
    stood = after[0].status["serving"]
    called = next((one for one in after if one.status["serving"] > stood), None)
    since = killed_at if waited[0] is after[0] else waited[0].at
    return (None, _somebody_waits(after[-1])) if called is None else (round(max(0.0, called.at - since), 3), False)


def _of_one(
    kill: Killed, until: float, exchanges: Exchanges, *, awaited: Sequence[Awaited], samples: Sequence[Sample]
) -> Recovered:
    back = recovery_seconds(exchanges, awaited, kill.at, until)
    called, still_waited = called_again_seconds(samples, kill.at, until)
    if kill.process == ADMIT and back is not None:
        # What it does is call numbers: without it those already inside go on booking.
        back = None if still_waited else max(back, called or 0.0)
    return Recovered(
        kill.process,
        kill.at_booking,
        round(kill.at, 3),
        back,
        decided_again_seconds=_first_after(kill.at, awaited, Awaiting.DECISION),
        paid_again_seconds=_first_after(kill.at, awaited, Awaiting.PAYMENT),
        called_again_seconds=called,
    )


def _answered(exchanges: Exchanges, killed_at: float, until: float) -> dict[int, list[bool]]:
    """Whether requests succeeded, by the second after the kill in which they were answered."""
    found: dict[int, list[bool]] = {}
    for each in exchanges.of(*BOOKING_ROUTES):
        if killed_at <= exchanges.at[each] < until:
            second = int(exchanges.at[each] - killed_at)
            found.setdefault(second, []).append(0 < exchanges.status[each] < SERVER_ERROR)
    return found


def _in_time(awaited: Iterable[Awaited], limit: float, killed_at: float, until: float) -> dict[int, list[bool]]:
    """Whether what was waited for in each second after the kill was in time then."""
    found: dict[int, list[bool]] = {}
    for each in awaited:
        for second in _seconds_of(each, killed_at, until):
            checked_at = min(killed_at + second + 1, until if each.ended_at is None else each.ended_at)
            found.setdefault(second, []).append(checked_at - each.begun_at <= limit)
    return found


def _seconds_of(one: Awaited, killed_at: float, until: float) -> Iterator[int]:
    ended_at = until if one.ended_at is None else min(one.ended_at, until)
    if ended_at >= killed_at and one.begun_at < until:
        yield from range(int(max(0.0, one.begun_at - killed_at)), int(ended_at - killed_at) + 1)


def _is_late_at(moment: float, one: Awaited, limit: float) -> bool:
    return moment - one.begun_at > limit and (one.ended_at is None or one.ended_at >= moment)


def _usual_seconds(awaited: Iterable[Awaited], killed_at: float) -> float:
    ended = [(each.begun_at, each.ended_at) for each in awaited if each.ended_at is not None]
    before = [ended_at - begun_at for begun_at, ended_at in ended if ended_at < killed_at]
    if len(before) >= USUAL_MIN:
        return median(before)
    took = sorted(ended_at - begun_at for begun_at, ended_at in ended)
    return took[(len(took) - 1) // 10] if took else 0.0


def _first_after(killed_at: float, awaited: Iterable[Awaited], what: Awaiting) -> float | None:
    """Until the first end of one that was begun after the kill."""
    ends = (each.ended_at for each in awaited if each.what is what and each.begun_at >= killed_at)
    first = min((at for at in ends if at is not None), default=None)
    return None if first is None else round(first - killed_at, 3)


def _somebody_waits(one: Sample) -> bool:
    # A queue that was restored does not know its tickets until they are counted.
    status, free = one.status, one.status["free"] or 0
    return bool(status["phase"] == OPEN and status["waiting"] and free > status.get("choosing", 0))


def _is_bad(went_well: Sequence[bool]) -> bool:
    return sum(went_well) < SUCCESS_SHARE * len(went_well)
