"""Ten rehearsals in which the queue's server is killed, comes back empty, or as it was seconds before (`make soak`)."""

from __future__ import annotations

import random

import pytest

from onsale.sandbox.rehearsal.plan import Kill, Plan
from onsale.sandbox.rehearsal.rehearsal import Sale
from tests.faults.test_rehearsals import QUICK, rehearsed

BUYERS, SEATS = 300, 200
GOES_ON_SECONDS = 10
HOW = ("valkey", "valkey-emptied", "valkey-older")


def lost(seed: int) -> tuple[Kill, ...]:
    """Two moments of the sale, and what happens at each."""
    chance = random.Random(seed)
    first, second = sorted(chance.sample(range(20, SEATS - 20), 2))
    return tuple(Kill(chance.choice(HOW), at) for at in (first, second))


def checked(seed: int) -> None:
    kills = lost(seed)
    print(f"seed {seed}: {', '.join(map(str, kills))}")
    plan = Plan(buyers=BUYERS, seed=seed, manners=QUICK, kills=kills, seconds_max=150)

    found = rehearsed(plan, Sale(seats=SEATS, rate_per_minute=1_200, pay_seconds=10))

    assert found.why_not == ()
    assert (found.double_sold, found.inversions, found.lost_bookings) == (0, 0, 0)
    assert [kill.process for kill in found.kills] == [kill.process for kill in kills]
    for kill in found.kills:
        assert kill.called_again_seconds is None or kill.called_again_seconds <= GOES_ON_SECONDS, kill


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_sale_goes_on_when_its_queue_is_lost(seed: int) -> None:
    checked(seed)
