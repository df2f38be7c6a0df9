"""The rows of the bench, in the order they are run; and those that cannot be measured by it, with the reason."""

from __future__ import annotations

from onsale.sandbox.bench import (
    admission,
    booking_cpu,
    decision,
    draw,
    freshness,
    join,
    lane,
    memory,
    rate_error,
    search,
    seats,
    simulator,
    status,
)
from onsale.sandbox.bench.rows import Spec

ROWS = (
    booking_cpu,
    lane,
    join,
    status,
    rate_error,
    memory,
    decision,
    admission,
    search,
    freshness,
    seats,
    simulator,
    draw,
)
SPECS: dict[str, Spec] = {each.SPEC.name: each.SPEC for each in ROWS}
LEFT_OUT = {
    "origin": "needs a shared cache in front of the web, which a laptop's parts have not",
}
