"""A small rehearsal made by hand, as if a crowd had been: for what is made of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from onsale.sandbox.rehearsal.audit import Audit
from onsale.sandbox.rehearsal.conducting import Conducted
from onsale.sandbox.rehearsal.journal import Exchanges, Journal
from onsale.sandbox.rehearsal.plan import Kill, Plan
from onsale.sandbox.rehearsal.recovering import Killed
from onsale.sandbox.rehearsal.rehearsal import Rehearsed
from onsale.sandbox.rehearsal.results import results
from onsale.sandbox.rehearsal.watching import Sample
from onsale.sandbox.visitor.carrying import Exchange
from onsale.sandbox.visitor.visit import Visit
from onsale.verify.verdict import SAYS

BEGAN_AT = 1_000.0
SECONDS = 30
STEPS = (
    ("POST", "/v1/events/{id}/queue"),
    ("GET", "/v1/events/{id}/queue"),
    ("POST", "/v1/events/{id}/queue/me/enter"),
    ("POST", "/v1/events/{id}/bookings"),
    ("GET", "/v1/bookings/{id}"),
    ("POST", "/v1/bookings/{id}/payment"),
)
WELL = Audit(
    verify=dict.fromkeys(SAYS, True),
    sold=20,
    captured_minor=90_000,
    double_sold=0,
    inversions=0,
    rate_error=0.0012,
    lost_bookings=0,
)


def a_status(second: int) -> dict[str, Any]:
    """One number is called a second; each buyer holds a ticket for three and has it then."""
    called, confirmed = min(20, second), max(0, min(20, second - 3))
    return {
        "phase": "open",
        "serving": called,
        "issued": 24,
        "waiting": 24 - called,
        "free": 20 - called,
        "held": called - confirmed,
        "rate_per_minute": 60,
        "admitted_per_minute": called,
    }


def samples() -> list[Sample]:
    """One before the opening, and one a second; nobody answered at the 8th, when web was killed."""
    before = Sample(-2.0, a_status(0), {"web": 0.0, "PostgreSQL": 0.0, "simulator": 0.0})
    return [before] + [
        Sample(
            float(at),
            {} if at == 8 else a_status(at),
            {"web": 0.5 * at, "PostgreSQL": 0.25 * at, "simulator": 0.1 * at},
        )
        for at in range(SECONDS + 1)
    ]


def visits() -> list[Visit]:
    """Twenty buyers with a ticket each, four for whom none was left."""
    made = []
    for n in range(1, 25):
        visit = Visit(BEGAN_AT, number=n, joined_at=BEGAN_AT)
        if n <= 20:
            turn = BEGAN_AT + n
            visit.turn_at, visit.booked_at, visit.held_at, visit.confirmed_at = turn, turn + 1, turn + 1.5, turn + 3
            visit.tickets, visit.booking_ids = [n], [f"b{n}"]
        visit.ended = "confirmed" if n <= 20 else "sold_out"
        made.append(visit)
    return made


def exchanges() -> Exchanges:
    """Each step of a booking once a second, each slower than the one before; one bare refusal during the kill."""
    made = Exchanges(began_at=BEGAN_AT)
    for second in range(SECONDS):
        for n, (method, route) in enumerate(STEPS, start=1):
            due = BEGAN_AT + second
            status = 0 if second == 8 and n == 2 else 200
            made.add(Exchange(route, method, status, due, due, due + n * 0.01 + second * 0.001, False))
    return made


def rehearsed(*, audit: Audit = WELL, plan: Plan | None = None, **changed: Any) -> Rehearsed:
    """A rehearsal that went well, with `web` killed on the way; `changed` are fields of what came of it."""
    plan = plan or Plan(buyers=24, kills=(Kill("web", 5),))
    killed = [Killed(kill.process, kill.at_booking, 7.5) for kill in plan.kills]
    conducted = Conducted(Journal(exchanges(), visits(), float(SECONDS), 0.2), samples(), killed, True)
    found = results(plan, conducted, audit, rate=60, seats=20)
    return Rehearsed(plan, conducted, replace(found, **changed))
