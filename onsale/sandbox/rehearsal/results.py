"""What came of a rehearsal: one object, the same on the terminal, as JSON and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from onsale.sandbox.rehearsal import figures
from onsale.sandbox.rehearsal.audit import Audit
from onsale.sandbox.rehearsal.conducting import Conducted
from onsale.sandbox.rehearsal.journal import Journal
from onsale.sandbox.rehearsal.plan import Kill, Plan
from onsale.sandbox.rehearsal.recovering import Killed, Recovered, recoveries
from onsale.sandbox.rehearsal.watching import Sample
from onsale.sandbox.visitor.visit import Visit

RECOVERY_SECONDS_MAX = 30.0
BROKEN_SHOWN_MAX = 50
# Reasons have a server's own words in them: a bad one could say something else to everybody.
GAVE_UP_REASONS_MAX = 20
WHYS_SHOWN_MAX = 20
# A reason is one sentence; the whole list is in the results.
FAILURES_IN_A_REASON = 5
GAVE_UP = "gave up"
OTHER_REASONS = "other reasons"
ACCEPTED = 202
# What is said of an invariant for which `verify` found this.
NOT_OK = {False: "does not hold", None: "could not be checked"}
# What two rehearsals are compared by: numbers, which may not be known, and numbers by rank.
COMPARED = ("seconds", "sold", "bookings_per_second", "cpu_seconds_per_booking", "http_5xx", "rate_error")
COMPARED_SPREADS = ("admitted_to_ticket_seconds", "accepted_to_held_seconds")
# Nobody's work for a booking: the simulator stands for a bank, the crowd for people.
NOT_OURS = ("simulator", "crowd")


@dataclass(frozen=True)
class Results:
    """All figures. Seconds and milliseconds as their names say; None is what could not be known from here."""

    buyers: int
    seats: int | None
    seed: int
    arrivals: str
    shared_cache: bool
    seconds: float
    joined: int
    confirmed: int
    sold: int | None
    captured_minor: int | None
    double_sold: int | None
    inversions: int | None
    lost_bookings: int | None
    http_requests: int
    http_5xx: int
    http_5xx_unexcused: int
    http_no_answer: int
    http_statuses: Mapping[str, int]
    # Which requests got a 5xx or no answer (`POST /v1/guests: 503 record-unavailable`), and how often.
    http_failures: Mapping[str, int]
    rate_set_per_minute: int | None
    rate_error: float | None
    cpu_seconds_per_booking: float | None
    cpu_seconds: Mapping[str, float]
    bookings_per_second: float
    admitted_to_ticket_seconds: Mapping[str, float | None]
    accepted_to_held_seconds: Mapping[str, float | None]
    outcomes: Mapping[str, int]
    gave_up: Mapping[str, int]
    accepted: int
    latency_ms: Mapping[str, Mapping[str, float | None]]
    kills: Sequence[Recovered]
    # `PROCESS@N` of each kill that was asked for and did not happen: so many bookings were never accepted.
    kills_missed: Sequence[str]
    broken_promises: Sequence[str]
    broken_promises_count: int
    # What the bank was made to do wrong, and how often; None where it was left alone.
    faults: Mapping[str, int] | None
    settled: bool
    verify: Mapping[str, bool | None]
    verify_because: Mapping[str, str]
    generator_saturated: bool
    generator_cpu_share: float
    generator_late_ms_p99: float
    # Where the bank was slow for a while: how low the rate went, what it was at the end, and what buyers read of it.
    slow_provider: str | None = None
    lowest_rate_per_minute: int | None = None
    last_rate_per_minute: int | None = None
    why_slower: Sequence[str] = ()
    # Holds that ran out while their payment was under way.
    late_payments: int | None = None
    ok: bool = field(default=False)
    why_not: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The object for `--json`."""
        return asdict(self)


def can_be_compared(before: object) -> bool:
    """Whether this is what `as_json` gave, now or in an earlier release: it has what is compared, of the right kind."""
    if not isinstance(before, dict):
        return False
    spreads = [spread for name in COMPARED_SPREADS if isinstance(spread := before.get(name), dict)]
    if len(spreads) < len(COMPARED_SPREADS):
        return False
    numbers = [before.get(name, "") for name in COMPARED]
    numbers += [number for spread in spreads for number in spread.values()]
    return all(number is None or isinstance(number, int | float) for number in numbers)


def results(plan: Plan, conducted: Conducted, audit: Audit, *, rate: int | None, seats: int | None) -> Results:
    """Everything figured out, and judged."""
    broken = [*(what for visit in conducted.journal.visits for what in visit.broken), *audit.contradictions]
    unjudged = Results(
        buyers=plan.buyers,
        seats=seats,
        seed=plan.seed,
        arrivals=plan.arrivals.value,
        shared_cache=plan.shared_cache,
        rate_set_per_minute=rate,
        sold=audit.sold,
        captured_minor=audit.captured_minor,
        double_sold=audit.double_sold,
        inversions=audit.inversions,
        lost_bookings=audit.lost_bookings,
        rate_error=audit.rate_error,
        verify=audit.verify,
        verify_because=audit.because,
        broken_promises=broken[:BROKEN_SHOWN_MAX],
        broken_promises_count=len(broken),
        settled=conducted.settled,
        faults=conducted.faults,
        kills=recoveries(conducted.journal, conducted.killed, conducted.samples),
        kills_missed=kills_missed(plan.kills, conducted.killed),
        late_payments=audit.late_payments,
        **_of_rates(plan, conducted.samples),
        **_of_visits(conducted),
        **_of_requests(conducted.journal),
    )
    why_not = tuple(reasons(unjudged))
    return Results(**{**vars(unjudged), "ok": not why_not, "why_not": why_not})


def _of_visits(conducted: Conducted) -> dict[str, Any]:
    """What buyers got, how fast, and what that cost the shop."""
    visits = conducted.journal.visits
    confirmed = [visit for visit in visits if visit.confirmed_at is not None]
    cpu = conducted.samples[-1].cpu if conducted.samples else {}
    ours = sum(seconds for name, seconds in cpu.items() if name not in NOT_OURS)
    return {
        "seconds": round(conducted.journal.seconds, 3),
        "confirmed": len(confirmed),
        "joined": sum(visit.number is not None for visit in visits),
        "outcomes": outcomes(visits),
        "gave_up": gave_up(visits),
        "bookings_per_second": _per_second(confirmed),
        "cpu_seconds": {name: round(seconds, 2) for name, seconds in cpu.items()},
        "cpu_seconds_per_booking": round(ours / len(confirmed), 4) if cpu and confirmed else None,
        "admitted_to_ticket_seconds": _spread(
            visit.confirmed_at - visit.turn_at for visit in confirmed if visit.confirmed_at and visit.turn_at
        ),
        "accepted_to_held_seconds": _spread(
            visit.held_at - visit.booked_at for visit in visits if visit.held_at and visit.booked_at
        ),
    }


def _of_rates(plan: Plan, samples: Sequence[Sample]) -> dict[str, Any]:
    """The rates that were in force, as everybody could see them; told where the bank was made slow."""
    if plan.slow is None:
        return {}
    told = [sample.status for sample in samples if sample.status]
    rates = [int(status["rate_per_minute"]) for status in told]
    return {
        "slow_provider": str(plan.slow),
        "lowest_rate_per_minute": min(rates, default=None),
        "last_rate_per_minute": rates[-1] if rates else None,
        "why_slower": list(dict.fromkeys(status["why"] for status in told if status["why"]))[:WHYS_SHOWN_MAX],
    }


def _of_requests(journal: Journal) -> dict[str, Any]:
    """What was sent, what came back, and whether the generator could keep up."""
    exchanges = journal.exchanges
    return {
        "accepted": sum(exchanges.status[each] == ACCEPTED for each in exchanges.of(figures.BOOK)),
        "http_requests": len(exchanges),
        "http_5xx": figures.errors_5xx(exchanges),
        "http_5xx_unexcused": figures.errors_5xx(exchanges, unexcused=True),
        "http_no_answer": sum(status == 0 for status in exchanges.status),
        "http_statuses": figures.statuses(exchanges),
        "http_failures": figures.failures(exchanges),
        "latency_ms": {name: asdict(found) for name, found in figures.latencies(exchanges).items()},
        "generator_saturated": figures.is_saturated(journal),
        "generator_cpu_share": round(journal.cpu_share, 3),
        "generator_late_ms_p99": round(figures.percentiles(exchanges.late_ms).p99 or 0.0, 1),
    }


def outcomes(visits: Sequence[Visit]) -> dict[str, int]:
    """How many visits ended how; those not ended by the plan's last second are `unfinished`."""
    found = Counter(visit.ended.split(":")[0] if visit.ended else "unfinished" for visit in visits)
    return dict(sorted(found.items()))


def gave_up(visits: Sequence[Visit]) -> dict[str, int]:
    """Why buyers gave up, the most frequent reason first; beyond the maximum they are counted in one."""
    found = Counter(visit.ended.partition(": ")[2] for visit in visits if visit.ended.startswith(f"{GAVE_UP}:"))
    shown = dict(found.most_common(GAVE_UP_REASONS_MAX))
    rest = found.total() - sum(shown.values())
    return shown | ({OTHER_REASONS: rest} if rest else {})


def kills_missed(asked: Sequence[Kill], killed: Sequence[Killed]) -> list[str]:
    """The kills of the plan that never came: a rehearsal without them has not shown what it was to show."""
    left = Counter((kill.process, kill.at_booking) for kill in asked)
    left.subtract(Counter((kill.process, kill.at_booking) for kill in killed))
    return [f"{process}@{at_booking}" for (process, at_booking), times in left.items() for _ in range(times)]


def reasons(found: Results) -> list[str]:
    """Why a rehearsal is not ok, in words; empty when it is."""
    said = [
        (bool(found.double_sold), f"{found.double_sold} tickets were sold twice"),
        (bool(found.inversions), f"{found.inversions} bookings were decided out of order"),
        (bool(found.lost_bookings), f"{found.lost_bookings} accepted bookings are lost"),
        (not found.settled and found.lost_bookings is not None, "not every booking came to an end in time"),
        *_requests_say(found),
        (found.broken_promises_count > 0, f"buyers saw {found.broken_promises_count} promises broken"),
        (bool(found.gave_up), _gave_up_says(found.gave_up)),
        (bool(found.outcomes.get("unfinished")), f"{found.outcomes.get('unfinished')} buyers were not done in time"),
        (bool(found.outcomes.get("failed")), f"{found.outcomes.get('failed')} bookings failed in their lane"),
        (
            found.faults is not None and not any(found.faults.values()),
            "the bank never failed: too few paid",
        ),
        (
            found.slow_provider is not None and bool(found.late_payments),
            f"{found.late_payments} holds ran out while their payment was under way",
        ),
        (not found.confirmed, "nothing was sold: no buyer was told of tickets"),
    ]
    said += [
        (True, f"{name} {NOT_OK[ok]}: {found.verify_because.get(name, 'see `onsale verify`')}")
        for name, ok in found.verify.items()
        if not ok
    ]
    said += [
        (True, f"{kill} never happened: only {found.accepted} bookings were accepted") for kill in found.kills_missed
    ]
    said += [
        (
            kill.recovered_seconds is None or kill.recovered_seconds > RECOVERY_SECONDS_MAX,
            f"after {kill.process} was killed booking did not come back within {RECOVERY_SECONDS_MAX:.0f} s",
        )
        for kill in found.kills
    ]
    return [what for is_so, what in said if is_so]


def _requests_say(found: Results) -> list[tuple[bool, str]]:
    which = _which_failed(found.http_failures)
    return [
        (found.http_5xx_unexcused > 0, f"{found.http_5xx_unexcused} answers were errors of the server{which}"),
        (
            not found.kills and found.http_5xx > 0,
            f"{found.http_5xx} answers were 5xx although nothing was killed{which}",
        ),
        (not found.kills and found.http_no_answer > 0, f"{found.http_no_answer} requests had no answer{which}"),
    ]


def _which_failed(found: Mapping[str, int]) -> str:
    if not found:
        return ""
    shown = [f"{count} x {which}" for which, count in list(found.items())[:FAILURES_IN_A_REASON]]
    more = ["..."] if len(found) > FAILURES_IN_A_REASON else []
    return f" ({'; '.join([*shown, *more])})"


def _gave_up_says(found: Mapping[str, int]) -> str:
    if not found:
        return ""
    often = "most often: " if len(found) > 1 else ""
    return f"{sum(found.values())} buyers gave up, {often}{max(found, key=lambda why: found[why])}"


def _per_second(confirmed: Sequence[Visit]) -> float:
    """Confirmed bookings by the time from the first one accepted to the last one confirmed."""
    begun = [visit.booked_at for visit in confirmed if visit.booked_at is not None]
    ended = [visit.confirmed_at for visit in confirmed if visit.confirmed_at is not None]
    return round(len(confirmed) / max(max(ended) - min(begun), 1e-9), 2) if begun and ended else 0.0


def _spread(seconds: Any) -> dict[str, float | None]:
    found = figures.percentiles(seconds)
    return {"p50": found.p50, "p95": found.p95, "p99": found.p99}
