"""How long from a booking's being accepted to its being held, with nobody else about; by the record's own clock."""

from __future__ import annotations

from sqlalchemy import text

from onsale.db.engine import reading
from onsale.sandbox.bench.house import house
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec
from onsale.sandbox.rehearsal.figures import percentiles

BOOKINGS = 300
BOOKINGS_QUICK = 20


def measure(effort: Effort, say: Say) -> Measured:
    bookings = BOOKINGS_QUICK if effort.quick else BOOKINGS
    done: list[str] = []
    with house(seats=4 * bookings, buyers=bookings + 1) as shop:
        # The first one connects everything.
        shop.send([shop.visit([], polls=0, books=True)], at_once=1)
        shop.send([shop.visit(done, polls=0, books=True) for _ in range(bookings)], at_once=1)
        with reading(shop.engine) as connection:
            took = connection.execute(_TOOK, {"event_id": shop.event_id}).scalars().all()
    found = percentiles(took[1:])
    say(f"{found.count} bookings: p50 {found.p50} ms, p99 {found.p99} ms, longest {found.max} ms")
    faults = () if len(done) == bookings else (f"only {len(done)} of {bookings} bookings ended",)
    return Measured(found.p99 or 0.0, faults, (f"{found.count} bookings one by one, median {found.p50} ms",))


SPEC = Spec(
    "decision",
    "from booking accepted to held, uncontended, p99",
    "ms",
    floor=100,
    goal=100,
    measure=measure,
    lower_is_better=True,
)
_TOOK = text("""
    SELECT (extract(epoch FROM decided_at - created_at) * 1000)::float8
      FROM bookings WHERE event_id = :event_id AND decided_at IS NOT NULL ORDER BY created_at
""")
