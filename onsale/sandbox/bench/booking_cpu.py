"""CPU-seconds per completed booking: web, workers, PostgreSQL and Valkey together; a bank's stand-in and hashing apart.

Two visits per sale, each one join and five status polls; one of them comes in, looks at the seats, books, is charged
and polls the result. The same has been measured of pretix: 0.25 by its API, 0.9 by its pages.
"""

from __future__ import annotations

from statistics import median

from onsale.sandbox.bench.house import House, house
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec

SALES = 200
SALES_QUICK = 30
# So many buyers have a request under way.
AT_ONCE = 32
POLLS = 5


def measure(effort: Effort, say: Say) -> Measured:
    sales, rounds = (SALES_QUICK, 1) if effort.quick else (SALES, effort.pairs)
    with house(seats=4 * sales * (rounds + 1), buyers=2 * sales * (rounds + 1)) as shop:
        _sold(shop, sales)
        costs = []
        for number in range(1, rounds + 1):
            before = shop.cpu_seconds()
            confirmed = _sold(shop, sales)
            costs.append((shop.cpu_seconds() - before) / max(confirmed, 1))
            say(f"round {number} of {rounds}: {confirmed} bookings, {costs[-1]:.4f} CPU-seconds each")
    faults = () if confirmed == sales else (f"only {confirmed} of {sales} bookings were confirmed",)
    return Measured(median(costs), faults, (f"{rounds} rounds of {sales} sales, two visits each",))


def _sold(shop: House, sales: int) -> int:
    """How many bookings of so many sales were confirmed."""
    done: list[str] = []
    visits = [shop.visit(done, polls=POLLS, books=which == 0) for _ in range(sales) for which in range(2)]
    shop.send(visits, at_once=AT_ONCE)
    return done.count("confirmed")


SPEC = Spec(
    "booking-cpu",
    "CPU-seconds per completed booking, two visits per sale, everything but the bank's stand-in",
    "CPU-seconds",
    floor=0.04,
    goal=0.02,
    measure=measure,
    lower_is_better=True,
)
