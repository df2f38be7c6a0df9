"""CPU-seconds per completed booking: web, workers, PostgreSQL and Valkey together; a bank's stand-in and hashing apart.

Two visits per sale, each one join and five status polls; one of them comes in, looks at the seats, books, is charged
and polls the result. The same has been measured of pretix: 0.25 by its API, 0.9 by its pages.

Seconds are a machine's own, and one machine's differ threefold between two days. So they are told as on the machine
that floor and goal were set on, where an empty Flask route takes 55 microseconds; this one's is measured in the same
run. The seconds as they were here are in the notes (decision 0074).
"""

from __future__ import annotations

from statistics import median

from onsale.sandbox.bench.house import House, house
from onsale.sandbox.bench.parts import parts
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec
from onsale.sandbox.bench.web_process import EMPTY, web_process

SALES = 200
SALES_QUICK = 30
# So many buyers have a request under way.
AT_ONCE = 32
POLLS = 5
# What an empty Flask route takes where floor and goal were set.
EMPTY_ROUTE_SECONDS = 55e-6


def measure(effort: Effort, say: Say) -> Measured:
    sales, rounds = (SALES_QUICK, 1) if effort.quick else (SALES, effort.pairs)
    empty_route = _empty_route_seconds(effort)
    with house(seats=4 * sales * (rounds + 1), buyers=2 * sales * (rounds + 1)) as shop:
        _sold(shop, sales)
        costs = []
        for number in range(1, rounds + 1):
            before = shop.cpu_seconds()
            confirmed = _sold(shop, sales)
            costs.append((shop.cpu_seconds() - before) / max(confirmed, 1))
            say(f"round {number} of {rounds}: {confirmed} bookings, {costs[-1]:.4f} CPU-seconds each")
    faults = () if confirmed == sales else (f"only {confirmed} of {sales} bookings were confirmed",)
    cost = median(costs)
    notes = (
        f"{rounds} rounds of {sales} sales, two visits each",
        f"{cost:.4f} CPU-seconds on this machine, whose empty Flask route takes {empty_route * 1e6:.0f} microseconds",
    )
    return Measured(cost * EMPTY_ROUTE_SECONDS / empty_route, faults, notes)


def _empty_route_seconds(effort: Effort) -> float:
    """The CPU of one on this machine, now."""
    with parts() as own, web_process(own) as web:
        return 1 / web.load([EMPTY], times=web.times_for(EMPTY, effort.seconds)).per_cpu_second


def _sold(shop: House, sales: int) -> int:
    """How many bookings of so many sales were confirmed."""
    done: list[str] = []
    visits = [shop.visit(done, polls=POLLS, books=which == 0) for _ in range(sales) for which in range(2)]
    shop.send(visits, at_once=AT_ONCE)
    return done.count("confirmed")


SPEC = Spec(
    "booking-cpu",
    "CPU-seconds per completed booking, two visits per sale, everything but the bank's stand-in",
    "CPU-seconds where an empty Flask route takes 55 us",
    floor=0.04,
    goal=0.02,
    measure=measure,
    lower_is_better=True,
)
