"""The console's picture of a ramp: what is planned, and the rate that was in force so far; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onsale.queue.ramps import LINE_STEPS, Ramp
from onsale.web.admin.chart import HEIGHT, LEFT, TOP, WIDTH, GridLine, round_up

BOTTOM = 22
# What comes after the last step, as a share of the way to it; a ramp of one step has a minute.
AFTER_SHARE, SECONDS_LEAST = 0.2, 60.0


@dataclass(frozen=True)
class RampPicture:
    """Everything the template draws; `now_x` None: now is not in the picture."""

    width: int
    height: int
    left: int
    grid: tuple[GridLine, ...]
    planned_path: str
    in_force_path: str
    now_x: float | None
    from_words: str
    to_words: str
    words: str


def draw(
    ramp: Ramp, in_force: Sequence[tuple[datetime, int]], *, begins: datetime, rate_set: int, now: datetime
) -> RampPicture:
    """The picture from the beginning of the ramp to a while after its end; the rate set cuts the plan off."""
    seconds = max(SECONDS_LEAST, ramp.last_seconds * (1 + AFTER_SHARE))
    planned = _planned(ramp, seconds, rate_set)
    gone = (now - begins).total_seconds()
    obeyed = [(max(0.0, (at - begins).total_seconds()), rate) for at, rate in in_force]
    seen = [(at, rate) for at, rate in obeyed if at <= min(gone, seconds)]
    top = round_up(max([10.0, *(rate for _, rate in planned), *(rate for _, rate in seen)]))
    steps = ", ".join(f"{step.per_minute:,} from minute {step.after_seconds / 60:g}" for step in ramp.steps)
    way = "in a line" if ramp.linear else "step by step"
    return RampPicture(
        WIDTH,
        HEIGHT,
        LEFT,
        tuple(GridLine(round(_y(share * top, top) + 0.0, 1), f"{round(top * share):,}") for share in (0, 0.5, 1)),
        _path(planned, seconds, top, until=seconds),
        _path(seen, seconds, top, until=min(gone, seconds)) if gone > 0 else "",
        round(_x(gone, seconds), 1) if 0 <= gone <= seconds else None,
        f"{begins:%H:%M:%S}",
        f"{begins + timedelta(seconds=seconds):%H:%M:%S} UTC",
        f"Planned {way}: {steps}; {rate_set:,} a minute is the most that is set",
    )


def _planned(ramp: Ramp, seconds: float, rate_set: int) -> list[tuple[float, int]]:
    moments = {float(step.after_seconds) for step in ramp.steps} | {0.0}
    if ramp.linear:
        moments |= {seconds * n / (2 * LINE_STEPS) for n in range(2 * LINE_STEPS)}
    return [(at, min(rate_set, ramp.at(at))) for at in sorted(moments)]


def _x(at: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT) * at / seconds


def _y(rate: float, top: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate / top)


def _path(rates: Sequence[tuple[float, int]], seconds: float, top: int, *, until: float) -> str:
    """A line of steps, to its end."""
    if not rates:
        return ""
    first, *more = rates
    pieces = [f"M{_x(first[0], seconds):.1f} {_y(first[1], top):.1f}"]
    pieces += [f"H{_x(at, seconds):.1f}V{_y(rate, top):.1f}" for at, rate in more]
    return "".join(pieces) + f"H{_x(until, seconds):.1f}"
