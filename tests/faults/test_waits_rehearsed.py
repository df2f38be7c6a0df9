"""Waits told in whole rehearsals, with real buyers over HTTP, hold as they do in simulated time: `make soak`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, text

from onsale.config import Config
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.queue.calibration import Calibration
from onsale.sandbox.rehearsal.plan import Arrivals, Plan
from onsale.sandbox.rehearsal.rehearsal import Director, Rehearsed, Sale
from onsale.web.waits import how_they_held

HELD_PERCENT_LEAST = 85
SEED = 20_261_127
REHEARSALS = {
    "rate": (Plan(buyers=400, seed=SEED), Sale(seats=2_000, rate_per_minute=80)),
    "slots": (Plan(buyers=400, seed=SEED), Sale(seats=2_000, rate_per_minute=240, max_active=30)),
    "a ramp": (
        Plan(buyers=400, seed=SEED, arrivals=Arrivals.RAMP, arrive_seconds=120),
        Sale(seats=2_000, rate_per_minute=80),
    ),
}


@dataclass
class Watching(Director):
    """Reads how the waits held before the stack of its own is taken down."""

    held: Calibration | None = None

    def _on(self, stack: Any, config: Config, engine: Engine, planned: Sale) -> Rehearsed:
        rehearsed = super()._on(stack, config, engine, planned)
        with reading(engine) as connection:
            event_id = connection.execute(text("SELECT DISTINCT event_id FROM waits_told")).scalar_one()
        self.held = how_they_held(engine, EventId(event_id))
        return rehearsed


@pytest.mark.soak
@pytest.mark.parametrize("name", REHEARSALS)
def test_what_buyers_are_told_in_a_rehearsal_comes_true(name: str) -> None:
    plan, sale = REHEARSALS[name]
    director = Watching(plan, lambda said: None, lambda progress, sample: None)

    found = director.on_a_stack_of_its_own(sale).results

    held = director.held
    print(f"seed {plan.seed}: {held}")
    assert found.why_not == ()
    assert held is not None
    assert held.told > 100
    assert held.held_percent is not None
    assert held.held_percent >= HELD_PERCENT_LEAST
