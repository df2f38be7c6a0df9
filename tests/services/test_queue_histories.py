"""Histories of a waiting room, made up by Hypothesis: the scripts and a plain model of them never differ.

Joins, leaves, heartbeats, admissions, clocks that step also backwards, keys that change, Redis emptied or replaced. The
same ones in CI each time; new ones by `make soak`. A run prints its seed; ONSALE_SEED=<seed> repeats it.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from onsale.errors import OnsaleError
from onsale.queue.store import QueueStore
from tests.queue_histories.machine import WaitingRoom
from tests.services.waiting_room import without_guard

IN_CI, IN_A_SOAK = 150, 5_000
STEPS = 40
SEED = 20_261_127
SEARCHED_MAX = 600


def histories(redis_client, many, *, number, sources=None, **how):
    store = QueueStore(redis_client, sources=sources)
    kind = type("WaitingRoom", (WaitingRoom,), {"client": redis_client, "store": store})
    chosen = settings(
        max_examples=many,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        **how,
    )
    run_state_machine_as_test(seed(number)(kind), settings=chosen)


def test_the_scripts_do_what_the_plain_model_does(redis_client):
    number = int(os.environ.get("ONSALE_SEED", SEED))
    print(f"seed {number}")

    histories(redis_client, IN_CI, number=number)


@pytest.mark.soak
def test_five_thousand_new_histories_of_a_waiting_room(redis_client):
    number = int(os.environ.get("ONSALE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {number}")

    histories(redis_client, IN_A_SOAK, number=number)


@pytest.mark.parametrize(("script", "guard"), [("advance", "run id"), ("join", "run id")])
def test_without_a_guard_a_history_that_goes_wrong_is_found(redis_client, script, guard):
    with pytest.raises((AssertionError, OnsaleError)):
        # The first one will do; a short one would take minutes to find.
        histories(
            redis_client, SEARCHED_MAX, number=SEED, sources=without_guard(script, guard), phases=[Phase.generate]
        )
