"""Histories of a small sale, made up by Hypothesis: each step does what the model says, and what must hold holds.

500 in CI, always the same ones, so that a commit's verdict is its own; 10,000 new ones by `make soak`. With any one
guard taken out a history that ends wrongly is found. A run prints its seed; ONSALE_SEED=<seed> repeats it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from onsale.errors import OnsaleError
from tests.builders import some_buyers
from tests.histories.guards import GUARDS, KNOWN, without
from tests.histories.machine import History
from tests.histories.model import Wrong

IN_CI, IN_A_SOAK = 500, 10_000
# In how many parts the histories of CI and of a soak are made up, so that processes share them.
PARTS, PARTS_OF_A_SOAK = 2, 20
STEPS, STEPS_OF_A_SEARCH = 20, 12
SEARCHED_MAX = 2_000
SEED = 20_261_127
WRONG = (Wrong, DBAPIError, OnsaleError)


class Run:
    """So many histories from one seed; `told` counts them."""

    def __init__(self, engine: Engine, *, number: int, steps: Iterable[str] = ()) -> None:
        self.number, self.told = number, 0
        self.kind = type("History", (History,), {})
        self.kind.engine, self.kind.people = engine, some_buyers(engine, 2)
        self.kind.focus, self.kind.told = frozenset(steps), staticmethod(self._count)

    def __call__(self, many: int, **how: Any) -> None:
        chosen = settings(
            max_examples=many,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            **how,
        )
        # What workers log of a bank that loses its answers is no news here.
        with capture_logs():
            run_state_machine_as_test(seed(self.number)(self.kind), settings=chosen)

    def _count(self) -> None:
        self.told += 1


def a_seed(part: int, *, otherwise: int) -> int:
    number = int(os.environ.get("ONSALE_SEED") or otherwise)
    print(f"ONSALE_SEED={number}")
    return number + part


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_history_goes_by_the_rules(engine, part):
    run = Run(engine, number=a_seed(part, otherwise=SEED))

    run(IN_CI // PARTS, stateful_step_count=STEPS)

    assert run.told >= IN_CI // PARTS


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS_OF_A_SOAK))
def test_ten_thousand_histories_go_by_the_rules(engine, part):
    run = Run(engine, number=a_seed(part, otherwise=random.randrange(2**32)))

    run(IN_A_SOAK // PARTS_OF_A_SOAK, stateful_step_count=STEPS)

    assert run.told >= IN_A_SOAK // PARTS_OF_A_SOAK


def found_without(engine: Engine, guard: str) -> str:
    run = Run(engine, number=SEED, steps=GUARDS[guard].steps)
    with without(GUARDS[guard].parts, engine), pytest.raises(WRONG) as found:
        run(SEARCHED_MAX, stateful_step_count=STEPS_OF_A_SEARCH, phases=[Phase.generate], verbosity=Verbosity.quiet)
    return f"{guard}: the {run.told}th history, {type(found.value).__name__}: {str(found.value).splitlines()[0]}"


@pytest.mark.parametrize("guard", [name for name in GUARDS if name not in KNOWN])
def test_without_this_guard_a_history_that_ends_wrongly_is_found(engine, guard):
    print(found_without(engine, guard))


@pytest.mark.soak
@pytest.mark.parametrize("guard", KNOWN)
def test_without_this_guard_one_is_found_with_patience(engine, guard):
    print(found_without(engine, guard))


@pytest.mark.parametrize("guard", KNOWN)
def test_a_known_history_goes_well_and_without_its_guard_ends_wrongly(engine, guard):
    told(engine, guard)

    with without(GUARDS[guard].parts, engine), pytest.raises(WRONG):
        told(engine, guard)


def told(engine: Engine, guard: str) -> None:
    kind = Run(engine, number=0, steps=GUARDS[guard].steps).kind
    history = kind()
    for step, given in KNOWN[guard]:
        getattr(history, step)(**given)
    history.teardown()
