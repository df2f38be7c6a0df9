"""The console's chart: people admitted per minute, bar by bar, against the rate that was set; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTES = 10
BAR_SECONDS = 15
BARS = MINUTES * 60 // BAR_SECONDS
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 520, 190, 46, 10, 22
# The top of the scale is one of these times a power of ten, so that its labels are round.
ROUND_TOPS = (1, 2, 3, 4, 5, 6, 8, 10)
# A rate that nobody can exceed by more than the burst; what is above is drawn at the edge.
SCALE_LEAST = 10


@dataclass(frozen=True)
class Bar:
    """How many were admitted in one interval, as a rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class GridLine:
    """A line across the chart with its label."""

    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Everything the template draws."""

    width: int
    height: int
    left: int
    bars: tuple[Bar, ...]
    grid: tuple[GridLine, ...]
    set_path: str
    from_words: str
    words: str


def draw(admitted: Sequence[tuple[datetime, int]], rates: Sequence[tuple[datetime, int]], *, now: datetime) -> Chart:
    """The chart of the last ten minutes.

    `admitted`: when how many came in. `rates`: from when on which rate per minute was set, oldest first; the one in
    force at the beginning included.
    """
    start = now - timedelta(minutes=MINUTES)
    rates = _since_it_began(rates, admitted[0][0] if admitted else now)
    counts = [0] * BARS
    for at, count in admitted:
        index = int((at - start).total_seconds() // BAR_SECONDS)
        if 0 <= index < BARS:
            counts[index] += count
    per_minute = [count * 60 / BAR_SECONDS for count in counts]
    top = _round_up(max([SCALE_LEAST, *per_minute, *(rate for _, rate in rates)]))
    usable = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT) / BARS
    bars = tuple(
        Bar(
            round(LEFT + index * step + 1, 1),
            round(TOP + usable * (1 - value / top), 1),
            round(step - 2, 1),
            round(usable * value / top, 1),
        )
        for index, value in enumerate(per_minute)
        if value
    )
    grid = tuple(GridLine(round(TOP + usable * (1 - share), 1), f"{round(top * share):,}") for share in (0, 0.5, 1))
    last_minute = sum(counts[-60 // BAR_SECONDS :])
    set_now = rates[-1][1] if rates else 0
    words = f"Admitted per minute over the last {MINUTES} minutes; {last_minute:,} in the last one, {set_now:,} set"
    return Chart(WIDTH, HEIGHT, LEFT, bars, grid, _path(rates, start, now, top), f"{MINUTES} minutes ago", words)


def _since_it_began(rates: Sequence[tuple[datetime, int]], began: datetime) -> Sequence[tuple[datetime, int]]:
    """The rates since somebody was let in: what was set before that would only spoil the scale."""
    obeyed = [index for index, (at, _) in enumerate(rates) if at <= began]
    return rates[max(obeyed, default=0) :]


def _round_up(value: float) -> int:
    power = 1
    while value > 10 * power:
        power *= 10
    return next(int(top * power) for top in ROUND_TOPS if top * power >= value)


def _path(rates: Sequence[tuple[datetime, int]], start: datetime, now: datetime, top: int) -> str:
    """The set rate as a line of steps."""
    usable = HEIGHT - TOP - BOTTOM
    pieces: list[str] = []
    for at, rate in rates:
        x = LEFT + (WIDTH - LEFT) * max(0.0, (at - start) / (now - start))
        y = TOP + usable * (1 - rate / top)
        if at <= start or not pieces:
            pieces = [f"M{max(x, LEFT):.1f} {y:.1f}"]
        else:
            pieces.append(f"H{x:.1f}V{y:.1f}")
    return "".join(pieces) + f"H{WIDTH}" if pieces else ""
