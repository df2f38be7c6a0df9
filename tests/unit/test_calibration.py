"""How often the bands held, worked out from what was told and what came."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from onsale.queue import calibration
from onsale.queue.calibration import Calibration

OPENED = datetime(2026, 5, 1, 10, tzinfo=UTC)


def later(minutes: float) -> datetime:
    return OPENED + timedelta(minutes=minutes)


@dataclass
class Line:
    """A hundred a minute, told as 80 to 125."""

    at: datetime
    serving: int = 0
    issued: int = 1_000
    body: dict[str, Any] = field(default_factory=dict)
    epoch: int = 1

    def __post_init__(self) -> None:
        piece = {"people": None, "fast_per_minute": 125.0, "slow_per_minute": 80.0}
        self.body = {"epoch": self.epoch, "opens_at_ms": 0, "pieces": [piece], "returns": []}


def judged(lines: list[Line], called_after: float, *, number: int = 500, until: float = 60) -> Calibration:
    calls = [(number, later(called_after))] if called_after else []
    return calibration.calibration(lines, calls, {number: OPENED}, until=later(until))


def test_a_turn_inside_the_band_held() -> None:
    assert judged([Line(OPENED)], 5).held == 1
    assert judged([Line(OPENED)], 5).held_percent == 100.0


def test_a_turn_before_or_after_it_did_not() -> None:
    assert judged([Line(OPENED)], 3).sooner == 1
    assert judged([Line(OPENED)], 8).later == 1
    assert judged([Line(OPENED)], 8).held_percent == 0.0


def test_a_reason_published_before_the_turn_withdraws_the_band() -> None:
    reason = Line(later(9), epoch=round(later(2).timestamp() * 1000))

    assert judged([Line(OPENED), reason], 20).withdrawn == 1


def test_a_reason_published_after_the_band_was_over_excuses_nothing() -> None:
    reason = Line(later(9), serving=600, epoch=round(later(8).timestamp() * 1000))

    assert judged([Line(OPENED), reason], 20).later == 1


def test_a_turn_that_has_not_come_is_open_until_the_band_is_over() -> None:
    assert judged([Line(OPENED)], 0, until=5).open == 1
    assert judged([Line(OPENED)], 0, until=10).later == 1


def test_a_number_counts_only_while_it_waits() -> None:
    lines = [Line(OPENED, issued=400), Line(later(1)), Line(later(2), serving=600)]

    assert judged(lines, 5).told == 1


def test_the_sample_is_even_and_bounded() -> None:
    numbers = calibration.sample([Line(OPENED, issued=100_000)])

    assert len(numbers) <= calibration.NUMBERS_MAX
    assert numbers[0] == 1
    assert numbers[-1] > 99_000
    assert calibration.sample([]) == ()
