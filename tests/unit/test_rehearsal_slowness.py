"""A rehearsal's bank that is slow for a while: what may be asked for, when it is turned, what is made of it."""

from __future__ import annotations

import pytest

from onsale.sandbox.rehearsal.slowness import SECONDS_MAX, SLOW_TIMES, USUAL_MS, SlowBank, SlowProvider


def test_it_is_asked_for_as_it_is_written() -> None:
    assert SlowProvider.parse("slow-provider@30s..60s") == SlowProvider(30, 60)
    assert str(SlowProvider(30, 60)) == "slow-provider@30s..60s"
    assert SlowProvider.parse(f"slow-provider@0s..{SECONDS_MAX}s").to_seconds == SECONDS_MAX


@pytest.mark.parametrize(
    "text",
    ["slow-provider", "slow-provider@30s", "slow-provider@60s..30s", "slow-provider@1s..36001s", "slow-web@1s..2s"],
)
def test_what_makes_no_sense_says_what_is_wanted(text: str) -> None:
    with pytest.raises(ValueError, match=r"wants slow-provider@FROMs\.\.TOs"):
        SlowProvider.parse(text)


def test_the_bank_is_turned_when_it_is_time_and_only_then() -> None:
    told: list[int] = []
    bank = SlowBank(SlowProvider(2, 4), told.append)

    for tenth in range(60):
        bank.look(tenth / 10)

    assert told == [USUAL_MS, USUAL_MS * SLOW_TIMES, USUAL_MS]
