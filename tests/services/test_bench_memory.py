"""The row `memory` asks the real scripts, and says when one of them costs more among many people than among few."""

from __future__ import annotations

import pytest

from onsale.sandbox.bench import memory
from onsale.sandbox.bench.memory import Cost
from onsale.sandbox.bench.rows import Effort

PEOPLE = 20_000


@pytest.mark.slow
def test_everybody_joins_through_the_real_script_and_each_call_is_counted(monkeypatch):
    monkeypatch.setattr(memory, "PEOPLE_IN_A_TRIAL", PEOPLE)
    # The machine is shared here: what is asked is whether the calls are made and counted.
    monkeypatch.setattr(memory, "GROWTH_MAX", 1000.0)

    measured = memory.measure(Effort(quick=True), lambda _: None)

    assert measured.faults == ()
    # So few fill their buckets badly.
    assert 10 < measured.value < 200
    assert measured.notes[0] == f"{PEOPLE:,} people"
    assert len(measured.notes) == 4


@pytest.mark.parametrize("name", ["join", "look", "advance"])
def test_a_call_that_grows_with_the_people_fails_the_row(name):
    first = Cost(join=10.0, look=10.0, advance=10.0)
    flat = Cost(join=15.0, look=15.0, advance=15.0)
    grown = {"join": 15.0, "look": 15.0, "advance": 15.0, name: 15.1}

    assert list(memory.grown(first, flat)) == []
    assert len(list(memory.grown(first, Cost(**grown)))) == 1
