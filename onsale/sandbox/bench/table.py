"""The rows of the bench, in the order they are run."""

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
    origin,
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
    origin,
)
SPECS: dict[str, Spec] = {each.SPEC.name: each.SPEC for each in ROWS}
