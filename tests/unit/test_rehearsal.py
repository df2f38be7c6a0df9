"""What a rehearsal plans and how it judges: arrivals, kills, houses, percentiles, recovery, the verdict. No shop."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.sandbox.cpu_time import CpuMeter
from onsale.sandbox.rehearsal import faults, figures, guards, terminal
from onsale.sandbox.rehearsal.audit import Audit
from onsale.sandbox.rehearsal.command import rate_per_minute
from onsale.sandbox.rehearsal.conducting import Conducted
from onsale.sandbox.rehearsal.house import sections_of
from onsale.sandbox.rehearsal.journal import FAILURES_MAX, Exchanges, Failure, Journal, Progress
from onsale.sandbox.rehearsal.plan import Arrivals, Kill, Plan
from onsale.sandbox.rehearsal.recovering import Killed, called_again_seconds, recoveries, recovery_seconds
from onsale.sandbox.rehearsal.results import GAVE_UP_REASONS_MAX, OTHER_REASONS, Results, results
from onsale.sandbox.rehearsal.watching import Sample
from onsale.sandbox.visitor.carrying import Exchange
from onsale.sandbox.visitor.habits import Shares
from onsale.sandbox.visitor.shared_cache import Fetched, SharedCache
from onsale.sandbox.visitor.steps import Answer
from onsale.sandbox.visitor.visit import Awaited, Awaiting, Visit

BOOK = "/v1/events/{id}/bookings"
GOOD = Audit(verify={"I1": True, "I2": True}, sold=1, captured_minor=4500, double_sold=0, inversions=0, lost_bookings=0)


def exchanges(*statuses: int, every: float = 1.0, late_ms: float = 0.0, retry_after: bool = False) -> Exchanges:
    """Bookings answered one after the other."""
    found = Exchanges(began_at=100.0)
    for n, status in enumerate(statuses):
        due = 100.0 + n * every
        found.add(Exchange(BOOK, "POST", status, due, due + late_ms / 1000, due + 0.02, retry_after))
    return found


def a_visit() -> Visit:
    visit = Visit(100.0, number=1, turn_at=101.0, booked_at=102.0, held_at=102.5, confirmed_at=104.0)
    visit.ended, visit.tickets, visit.booking_ids = "confirmed", [1], ["b1"]
    return visit


def judged(
    *,
    audit: Audit = GOOD,
    seen: Exchanges | None = None,
    visits: list[Visit] | None = None,
    kills: tuple[Kill, ...] = (),
    killed: list[Killed] | None = None,
    settled: bool = True,
    bank: dict[str, int] | None = None,
    cpu_share: float = 0.2,
) -> Results:
    """A rehearsal that went well, but for what is said."""
    journal = Journal(seen or exchanges(202), visits if visits is not None else [a_visit()], 10.0, cpu_share)
    samples = [Sample(0.0, {}, {}), Sample(10.0, {}, {"web": 1.5, "PostgreSQL": 0.5, "simulator": 7.0})]
    plan = Plan(buyers=1, kills=kills)
    return results(plan, Conducted(journal, samples, killed or [], settled, bank), audit, rate=600, seats=1)


def test_a_rehearsal_that_went_well_is_ok_and_counts_only_our_own_cpu() -> None:
    found = judged()

    assert (found.ok, found.why_not) == (True, ())
    assert found.cpu_seconds_per_booking == 2.0
    assert found.admitted_to_ticket_seconds == {"p50": 3.0, "p95": 3.0, "p99": 3.0}
    assert found.accepted_to_held_seconds["p50"] == 0.5


def test_a_bad_day_of_the_bank_that_was_none_has_shown_nothing() -> None:
    happened = judged(bank={"late": 1, "webhook_lost": 0})
    quiet = judged(bank={"late": 0, "webhook_lost": 0})

    assert (happened.ok, happened.faults) == (True, {"late": 1, "webhook_lost": 0})
    assert quiet.why_not == ("the bank never failed: too few paid",)


def test_a_bad_day_brings_its_own_cards_unless_somebody_chose_others() -> None:
    usual = faults.crowd(Shares())
    chosen = faults.crowd(Shares(declined_first=0.5, leaves=0.3))

    assert (usual.declined_first, usual.authenticates, usual.leaves) == (0.05, 0.05, Shares().leaves)
    assert (chosen.declined_first, chosen.authenticates, chosen.leaves) == (0.5, 0.05, 0.3)


def broken_visit() -> Visit:
    visit = a_visit()
    visit.breaks("people ahead rose from 1 to 2")
    return visit


def unfinished_visit() -> Visit:
    visit = a_visit()
    visit.ended = ""
    return visit


def disappointed_visit(why: str = "POST /v1/guests: 500") -> Visit:
    visit = a_visit()
    visit.ended = f"gave up: {why}"
    return visit


def a_visit_that_left() -> Visit:
    visit = Visit(100.0, number=1, turn_at=101.0)
    visit.ended = "left"
    return visit


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"audit": replace(GOOD, double_sold=1)}, "1 tickets were sold twice"),
        ({"audit": replace(GOOD, inversions=2)}, "2 bookings were decided out of order"),
        ({"audit": replace(GOOD, lost_bookings=3)}, "3 accepted bookings are lost"),
        ({"audit": replace(GOOD, contradictions=("told so",))}, "buyers saw 1 promises broken"),
        ({"audit": replace(GOOD, verify={"I7": False})}, "I7 does not hold"),
        (
            {"audit": replace(GOOD, verify={"I7": False}, because={"I7": "ticket 3 is"})},
            "I7 does not hold: ticket 3 is",
        ),
        ({"audit": replace(GOOD, verify={"I2": None})}, "I2 could not be checked"),
        ({"visits": [a_visit_that_left()]}, "nothing was sold"),
        ({"kills": (Kill("web", 5000),)}, "web@5000 never happened: only 1 bookings were accepted"),
        ({"settled": False}, "not every booking came to an end"),
        ({"seen": exchanges(202, 500)}, "1 answers were errors of the server"),
        ({"seen": exchanges(202, 503, retry_after=True)}, "1 answers were 5xx although nothing was killed"),
        ({"seen": exchanges(202, 0)}, "1 requests had no answer"),
        ({"visits": [broken_visit()]}, "buyers saw 1 promises broken"),
        ({"visits": [unfinished_visit()]}, "1 buyers were not done in time"),
        ({"visits": [disappointed_visit()]}, "1 buyers gave up, POST /v1/guests: 500"),
    ],
)
def test_whatever_went_wrong_turns_the_verdict_and_is_said(changed: dict[str, Any], why: str) -> None:
    found = judged(**changed)

    assert not found.ok
    assert any(why in said for said in found.why_not)
    assert why in terminal.report(found)


def failing(*answers: tuple[int, str, bool]) -> Exchanges:
    """Bookings that were answered so: the status, the problem, whether it says when to come back."""
    found = exchanges(202)
    for status, problem, retry_after in answers:
        found.add(Exchange(BOOK, "POST", status, 100.0, 100.0, 100.1, retry_after, problem))
    return found


def test_which_requests_failed_is_said_the_worst_first() -> None:
    polite, rude = (503, "record-unavailable", True), (503, "record-unavailable", False)

    found = judged(seen=failing(polite, polite, rude, (500, "internal-server-error", False), (0, "", False)))

    assert found.http_failures == {
        f"POST {BOOK}: 500 internal-server-error": 1,
        f"POST {BOOK}: 503 record-unavailable without Retry-After": 1,
        f"POST {BOOK}: 503 record-unavailable": 2,
        f"POST {BOOK}: no answer": 1,
    }
    assert (found.http_5xx, found.http_5xx_unexcused, found.http_no_answer) == (4, 2, 1)
    assert any(f"2 x POST {BOOK}: 503 record-unavailable;" in why for why in found.why_not)
    assert f"{2:>10}  POST {BOOK}: 503 record-unavailable" in terminal.report(found).splitlines()


@pytest.mark.parametrize("more", [0, 1])
def test_failures_beyond_the_maximum_are_counted_in_one(more: int) -> None:
    different = [(500, f"problem-{n}", False) for n in range(figures.FAILURES_SHOWN_MAX + more)]

    found = judged(seen=failing(*different)).http_failures

    assert len(found) == figures.FAILURES_SHOWN_MAX + more
    assert found.get(figures.OTHERS, 0) == more


@pytest.mark.parametrize("more", [0, 1])
def test_a_server_with_another_word_each_time_does_not_fill_the_memory(more: int) -> None:
    seen = failing(*[(500, f"problem-{n}", False) for n in range(FAILURES_MAX + more)])

    assert len(seen.failures) == FAILURES_MAX + more
    assert (Failure(f"POST {BOOK}", 500, "", False) in seen.failures) == bool(more)


def test_why_buyers_gave_up_is_counted_and_said_the_most_frequent_reason_first() -> None:
    nobody, refused = "POST /v1/events/{id}/queue: no answer", "book: 409 selling-stopped"

    found = judged(visits=[a_visit(), disappointed_visit(refused), *[disappointed_visit(nobody)] * 3])

    assert list(found.as_json()["gave_up"].items()) == [(nobody, 3), (refused, 1)]
    assert f"4 buyers gave up, most often: {nobody}" in found.why_not
    assert f"{3:>10}  {nobody}" in terminal.report(found).splitlines()


@pytest.mark.parametrize("more", [0, 1])
def test_reasons_beyond_the_maximum_are_counted_in_one(more: int) -> None:
    visits = [disappointed_visit(f"reason {n}") for n in range(GAVE_UP_REASONS_MAX + more)]

    found = judged(visits=visits).gave_up

    assert len(found) == GAVE_UP_REASONS_MAX + more
    assert found.get(OTHER_REASONS, 0) == more


def test_a_kill_that_happened_is_not_missed_and_its_twin_is() -> None:
    twice = (Kill("web", 1), Kill("web", 1), Kill("lanes", 2))

    assert judged(kills=twice, killed=[Killed("web", 1, 0.5)]).kills_missed == ["web@1", "lanes@2"]
    assert judged(kills=twice[:1], killed=[Killed("web", 1, 0.5)]).kills_missed == []


def test_a_polite_503_during_a_kill_is_no_error_and_a_bare_one_is() -> None:
    killed = [Killed("web", 1, 0.5)]
    polite = judged(seen=exchanges(202, 503, *[202] * 200, every=0.01, retry_after=True), killed=killed)
    rude = judged(seen=exchanges(202, 503, *[202] * 200, every=0.01), killed=killed)

    assert polite.ok
    assert any("errors of the server" in why for why in rude.why_not)


def test_booking_that_never_comes_back_after_a_kill_turns_the_verdict() -> None:
    found = judged(seen=exchanges(202, *[0] * 9), killed=[Killed("web", 1, 0.5)])

    assert found.kills[0].recovered_seconds is None
    assert "after web was killed booking did not come back within 30 s" in found.why_not


def test_recovery_is_counted_from_the_kill_to_the_last_second_in_which_booking_failed() -> None:
    seen = exchanges(*[202] * 10, *[0] * 5, *[202] * 500)

    assert recovery_seconds(seen, [], 9.5, 1e9) == 5.0
    assert recovery_seconds(seen, [], 100.0, 1e9) == 0.0
    assert recovery_seconds(seen, [], 9.5, 13.0) is None


def awaited(*took: float, what: Awaiting = Awaiting.DECISION, first_at: float = 0.0) -> list[Awaited]:
    """One begun every second, each of which took so long."""
    return [Awaited(what, first_at + n, first_at + n + seconds) for n, seconds in enumerate(took)]


@pytest.mark.parametrize("what", list(Awaiting))
@pytest.mark.parametrize(("outage", "recovered"), [(4.9, 0.0), (8.0, 8.0)])
def test_bookings_that_nobody_decides_or_pays_are_not_back_though_every_request_is_answered(
    what: Awaiting, outage: float, recovered: float
) -> None:
    """Usually half a second; from the kill at 10 on nothing ends until the outage is over."""
    waits = awaited(*[0.5] * 10, *[max(0.5, outage + 0.1 - n) for n in range(20)], what=what)

    assert recovery_seconds(exchanges(*[202] * 40), waits, 10.0, 1e9) == pytest.approx(recovered, abs=1)


def test_a_booking_is_late_five_seconds_after_what_is_usual() -> None:
    """The kill is at 10, the usual wait 2 seconds, so that the limit is 7."""
    usual, begun_at_kill = awaited(*[2.0] * 5), Awaited(Awaiting.DECISION, 10.0)

    begun_at_kill.ended_at = 17.0
    at_the_limit = recovery_seconds(exchanges(202), [*usual, begun_at_kill], 10.0, 1e9)
    begun_at_kill.ended_at = 17.1
    above_it = recovery_seconds(exchanges(202), [*usual, begun_at_kill], 10.0, 1e9)

    assert (at_the_limit, above_it) == (0.0, 8.0)


@pytest.mark.parametrize(("before", "recovered"), [(4, 13.0), (5, 0.0)])
def test_where_too_few_ended_before_the_kill_the_fastest_tenth_of_all_is_usual(before: int, recovered: float) -> None:
    """Before the kill at 50 they took 8.5 seconds, then one took 10.5, and later ones a second."""
    slow = [*awaited(*[8.5] * before, first_at=10.0), Awaited(Awaiting.DECISION, 52.0, 52.0 + 10.5)]
    fast = awaited(*[1.0] * 5, first_at=80.0)

    assert recovery_seconds(exchanges(202), [*slow, *fast], 50.0, 1e9) == recovered


def test_a_booking_that_never_ends_means_that_booking_never_came_back() -> None:
    assert recovery_seconds(exchanges(202), [Awaited(Awaiting.PAYMENT, 3.0)], 2.0, 30.0) is None
    assert recovery_seconds(exchanges(202), [Awaited(Awaiting.PAYMENT, 26.0)], 2.0, 30.0) == 0.0


def test_a_late_booking_among_hundreds_in_time_is_no_outage() -> None:
    among_many = [*awaited(20.0, first_at=10.0), *[each for _ in range(200) for each in awaited(*[0.9] * 40)]]

    assert recovery_seconds(exchanges(202), among_many, 10.0, 1e9) == 0.0


def test_a_kill_before_the_one_before_was_made_good_counts_until_both_are() -> None:
    visit = a_visit()
    visit.awaited = [*awaited(0.5, first_at=100.0), *awaited(14.0, first_at=101.0)]
    journal = Journal(exchanges(*[202] * 30), [visit], 30.0, 0.2)
    kills = [Killed("lanes", 1, 1.0), Killed("payments", 2, 10.0)]

    first, second = recoveries(journal, kills, [])

    assert (first.recovered_seconds, second.recovered_seconds) == (15.0, 6.0)


def test_the_first_booking_decided_and_paid_after_a_kill_is_told() -> None:
    visit = a_visit()
    visit.awaited = [*awaited(9.0, first_at=101.0), *awaited(0.5, 0.5, first_at=106.0)]
    visit.awaited += awaited(1.0, first_at=107.0, what=Awaiting.PAYMENT)

    found = judged(visits=[visit], killed=[Killed("lanes", 1, 5.0)])

    kill = found.kills[0]
    assert (kill.decided_again_seconds, kill.paid_again_seconds, kill.called_again_seconds) == (1.5, 3.0, None)
    assert "    first again after: decided 1.5 s, paid 3.0 s" in terminal.report(found).splitlines()


def serving(*numbers: int, waiting: int = 9, free: int | None = 9, choosing: int = 0) -> list[Sample]:
    """One look a second."""
    said = {"phase": "open", "waiting": waiting, "free": free, "choosing": choosing}
    return [Sample(float(at), {**said, "serving": number}, {}) for at, number in enumerate(numbers)]


def test_numbers_are_called_again_when_more_are_than_were_at_the_kill() -> None:
    assert called_again_seconds(serving(1, 2, 3, 3, 3, 4), 1.5, 1e9) == (3.5, False)
    assert called_again_seconds(serving(1, 2, 3, 3, 3, 3), 1.5, 1e9) == (None, True)


def test_the_time_until_somebody_could_be_called_does_not_count() -> None:
    looks = serving(1, 2, 3, 3, 3, 3, 3, 4)
    for look in looks[:5]:
        look.status["choosing"] = 9

    assert called_again_seconds(looks, 1.5, 1e9) == (2.0, False)
    assert called_again_seconds(looks[:-1], 1.5, 1e9) == (None, True)


@pytest.mark.parametrize("nobody", [{"waiting": 0}, {"free": 0}, {"free": None}, {"choosing": 9}])
def test_where_nobody_waits_for_a_free_ticket_no_number_must_be_called(nobody: dict[str, int | None]) -> None:
    assert called_again_seconds(serving(1, 2, 3, 3, 3, 3, **nobody), 1.5, 1e9) == (None, False)


def test_after_admit_was_killed_booking_is_back_when_numbers_are_called() -> None:
    journal = Journal(exchanges(*[202] * 30), [a_visit()], 30.0, 0.2)
    looks = serving(*[2] * 9, *[3] * 9)

    [admit] = recoveries(journal, [Killed("admit", 1, 1.5)], looks)
    [web] = recoveries(journal, [Killed("web", 1, 1.5)], looks)
    [never] = recoveries(journal, [Killed("admit", 1, 1.5)], looks[:9])

    assert (admit.recovered_seconds, web.recovered_seconds, never.recovered_seconds) == (7.5, 0.0, None)


def test_a_generator_that_is_late_or_out_of_cpu_says_so() -> None:
    assert not judged().generator_saturated
    assert judged(cpu_share=0.95).generator_saturated
    assert judged(seen=exchanges(*[202] * 10, late_ms=500)).generator_saturated


def test_a_time_counts_from_when_the_request_was_due() -> None:
    found = judged(seen=exchanges(202, late_ms=15)).latency_ms[f"POST {BOOK}"]

    assert found["p50"] == pytest.approx(20, abs=0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_values_that_were_measured_in_order(values: list[float]) -> None:
    found = figures.percentiles(values)

    assert found.p50 is not None
    assert found.p95 is not None
    assert found.p99 is not None
    assert found.p50 <= found.p95 <= found.p99 <= (found.max or 0)
    assert found.p50 in {round(value, 3) for value in values}


@given(st.integers(1, 200_000))
def test_a_house_has_exactly_the_seats_asked_for(seats: int) -> None:
    sections = sections_of(seats)

    assert sum(section.capacity for section in sections) == seats
    assert [section.id for section in sections] == list(range(1, len(sections) + 1))
    assert all(section.capacity > 0 for section in sections)


@given(st.sampled_from(Arrivals), st.integers(1, 300), st.integers(0, 5))
def test_everybody_arrives_in_order_and_the_same_seed_brings_the_same_crowd(
    arrivals: Arrivals, buyers: int, seed: int
) -> None:
    plan = Plan(buyers=buyers, arrivals=arrivals, seed=seed)

    moments = list(plan.arrival_seconds())

    assert len(moments) == buyers
    assert moments == sorted(moments)
    assert moments == list(plan.arrival_seconds())
    assert plan.chance_of(3).random() == plan.chance_of(3).random()


@pytest.mark.parametrize("text", ["web@0", "web", "nothing@3", "web@-1", "web@1@2", "WEB@1", "@3"])
def test_a_kill_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="PROCESS@N"):
        Kill.parse(text)


def test_a_lane_is_the_line_of_the_lanes() -> None:
    assert Kill.parse("lane@12") == Kill("lanes", 12)


@pytest.mark.parametrize(("text", "per_minute"), [("600/min", 600), ("10/s", 600), ("90", 90), ("600000/min", 600_000)])
def test_a_rate_is_read_in_minutes_or_seconds(text: str, per_minute: int) -> None:
    assert rate_per_minute(text) == per_minute


@pytest.mark.parametrize("text", ["", "0/min", "600001", "10/h", "-1/s", "1.5/s", "٣/s"])
def test_a_rate_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as"):
        rate_per_minute(text)


def test_the_look_is_taken_out_together_with_what_would_hide_it() -> None:
    assert guards.settings_without(["last_look"]) == {"ONSALE_GUARDS_OFF": "last_look,resend"}
    assert guards.statements_without(["sale_index"]) == ("DROP INDEX sale_index",)
    assert guards.settings_without(["sale_index"]) == {}


def test_the_figures_of_two_rehearsals_stand_side_by_side() -> None:
    before = judged().as_json() | {"bookings_per_second": 1.0}
    now = replace(judged(), bookings_per_second=2.0)

    line = next(line for line in terminal.compared(now, before).splitlines() if "bookings_per_second" in line)

    assert line.split() == ["bookings_per_second", "1.000", "2.000", "+100%"]


def test_progress_says_what_is_left() -> None:
    line = terminal.progress_line(Progress(1.5, 10, 20, 5, 3, 400, 4, 2, 1, 0), Sample(1.0, {"free": 7}, {}))

    assert "waiting 20" in line
    assert "free 7" in line
    assert "errors 1" in line


def test_a_process_that_was_started_again_keeps_what_it_had_spent() -> None:
    spent = {1: 5.0, 2: 0.5}
    meter = CpuMeter(spent.__getitem__)
    meter.look({"web": 1})
    spent[1] = 7.0
    meter.look({"web": 1})

    gone = meter.look({"web": None})
    again = meter.look({"web": 2})

    assert (gone, again) == ({"web": 2.0}, {"web": 2.5})


def fetched(status: int = 200, body: str = "a", cache: str = "public, max-age=1, stale-if-error=30") -> Fetched:
    return Fetched(Answer(status, body), cache, '"tag"')


class Origin:
    """Counts what gets through to it."""

    def __init__(self, *answers: Fetched) -> None:
        self.answers, self.tags = list(answers), list[str]()

    async def fetch(self, etag: str) -> Fetched:
        self.tags.append(etag)
        await asyncio.sleep(0)
        return self.answers.pop(0)


def test_a_shared_cache_asks_once_for_all_who_ask_at_once_and_again_with_the_etag_when_it_is_old() -> None:
    now = [0.0]
    cache, origin = SharedCache(lambda: now[0]), Origin(fetched(), fetched(304), fetched(503), fetched(503))

    async def ask() -> list[Any]:
        first = await asyncio.gather(*(cache.get("/queue", origin.fetch) for _ in range(50)))
        now[0] = 1.5
        renewed = await cache.get("/queue", origin.fetch)
        now[0] = 3.0
        stale = await cache.get("/queue", origin.fetch)
        now[0] = 60.0
        return [*first, renewed, stale, await cache.get("/queue", origin.fetch)]

    told = asyncio.run(ask())

    assert [answer.status for answer in told] == [200] * 52 + [503]
    assert origin.tags == ["", '"tag"', '"tag"', '"tag"']


def test_a_shared_cache_keeps_nothing_that_is_not_public() -> None:
    cache, origin = SharedCache(lambda: 0.0), Origin(fetched(cache="no-store"), fetched(body="b", cache="no-store"))

    async def ask() -> list[Any]:
        return [(await cache.get("/me", origin.fetch)).document for _ in range(2)]

    assert asyncio.run(ask()) == ["a", "b"]


def test_every_buyer_has_a_chance_of_their_own() -> None:
    plan = Plan(seed=random.randrange(1 << 30))

    assert len({plan.chance_of(buyer).random() for buyer in range(200)}) == 200
