"""Is the journal of admissions whole? Pure: its runs, the rates set, and what else tells of the queue go in.

Runs may be missing only where the queue was restored. Then its count goes on behind all the runs that the lost one may
have made, a burst of the rate at least (queue/recovery.py), and the rest of the block of numbers is never given out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onsale.queue import rate
from onsale.verify.admissions import Run
from onsale.verify.rates import EFFECT_US_MAX, SKEW_US_MAX, Turned

# A Redis that comes back with its streams has some of the lost runs written down after all. Never more than it had
# turns for, which is hardly ever half of a burst more than it earned since.
WRITTEN_LATER_SHARE = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the queue was at a moment, and whether that proves anything.

    `on`: the queue was never off, when numbers are passed without a run. `every_join`: every number given out until
    then is in the journal of joins, so the queue had never been restored.
    """

    serving: int
    at_us: int
    last_reserved: int
    on: bool
    every_join: bool


def lost_runs(runs: Sequence[Run], turned: Sequence[Turned], rate_now: int, mark: Mark | None) -> Iterator[str]:
    """Runs that the queue made and the journal does not have; `runs` by their seq, `turned` by time."""
    seq, at_us, number = 0, 0, 0
    for run in runs:
        missing = run.seq - seq - 1
        skipped = max(0, run.first - number - 1) if run.last else 0
        too_few = 0 < missing <= _restoring_takes(turned, rate_now, at_us, run.at_us)
        never_restored = bool(skipped and mark and mark.on and mark.every_join and mark.at_us >= run.at_us)
        if missing > 0 and (too_few or never_restored):
            yield f"runs {seq + 1} to {run.seq - 1} are not in the journal, and no restored queue leaves such a gap"
        seq, at_us, number = run.seq, run.at_us, max(number, run.last)
    if mark and mark.on and mark.serving > number:
        few = _restoring_takes(turned, rate_now, at_us, mark.at_us)
        too_few = mark.serving - number <= few and mark.serving < mark.last_reserved
        if too_few or mark.every_join:
            yield f"the queue had called {mark.serving} numbers, its runs end with {number}, and it was not restored"


def _restoring_takes(turned: Sequence[Turned], rate_now: int, start_us: int, end_us: int) -> int:
    """So many missing turns, or fewer, were left by no restoration between two moments."""
    lowest = min(_rates_set(turned, rate_now, start_us - EFFECT_US_MAX, end_us + SKEW_US_MAX))
    return rate.capacity(lowest) // rate.TURN_CREDITS // WRITTEN_LATER_SHARE


def _rates_set(turned: Sequence[Turned], rate_now: int, start_us: int, end_us: int) -> Iterator[int]:
    """Every rate that was set at any time between two moments, whether the queue was open or not."""
    set_to, until_us = rate_now, None
    for line in reversed(turned):
        if line.per_minute is None:
            continue
        if line.at_us <= end_us and (until_us is None or until_us >= start_us):
            yield set_to
        set_to, until_us = line.per_minute[0], line.at_us
    if until_us is None or until_us >= start_us:
        yield set_to
