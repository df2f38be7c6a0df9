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
    in_force_path: str
    from_words: str
    words: str


def draw(
    admitted: Sequence[tuple[datetime, int]],
    rates: Sequence[tuple[datetime, int]],
    in_force: Sequence[tuple[datetime, int]] = (),
    *,
    now: datetime,
) -> Chart:
    """The chart of the last ten minutes.

    `admitted`: when how many came in. `rates`: from when on which rate per minute was set, oldest first; the one in
    force at the beginning included. `in_force`: the same of what checkout or a ramp left of it; empty where they never
    held it down.
    """
    start = now - timedelta(minutes=MINUTES)
    rates = _since_it_began(rates, admitted[0][0] if admitted else now)
    counts = [0] * BARS
    for at, count in admitted:
        index = int((at - start).total_seconds() // BAR_SECONDS)
        if 0 <= index < BARS:
            counts[index] += count
    per_minute = [count * 60 / BAR_SECONDS for count in counts]
    top = round_up(max([SCALE_LEAST, *per_minute, *(rate for _, rate in rates)]))
    usable = HEIGHT - TOP - BOTTOM
    grid = tuple(GridLine(round(TOP + usable * (1 - share), 1), f"{round(top * share):,}") for share in (0, 0.5, 1))
    last_minute = sum(counts[-60 // BAR_SECONDS :])
    set_now = rates[-1][1] if rates else 0
    held = f", {in_force[-1][1]:,} in force" if in_force else ""
    words = (
        f"Admitted per minute over the last {MINUTES} minutes; {last_minute:,} in the last one, {set_now:,} set{held}"
    )
    set_path, in_force_path = _path(rates, start, now, top), _path(in_force, start, now, top)
    return Chart(
        WIDTH, HEIGHT, LEFT, _bars(per_minute, top), grid, set_path, in_force_path, f"{MINUTES} minutes ago", words
    )


def _bars(per_minute: Sequence[float], top: int) -> tuple[Bar, ...]:
    usable = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT) / BARS
    return tuple(
        Bar(
            round(LEFT + index * step + 1, 1),
            round(TOP + usable * (1 - value / top), 1),
            round(step - 2, 1),
            round(usable * value / top, 1),
        )
        for index, value in enumerate(per_minute)
        if value
    )


def lower(
    rates: Sequence[tuple[datetime, int]], held: Sequence[tuple[datetime, int | None]]
) -> list[tuple[datetime, int]]:
    """The lower of a rate set and of what held it down (None: nothing), from each moment at which either changed."""
    found = []
    for at in sorted({at for at, _ in rates} | {at for at, _ in held}):
        set_to = [rate for since, rate in rates if since <= at][-1:] or [rates[0][1]]
        most = [rate for since, rate in held if since <= at][-1:]
        found.append((at, set_to[0] if not most or most[0] is None else min(set_to[0], most[0])))
    return found


def _since_it_began(rates: Sequence[tuple[datetime, int]], began: datetime) -> Sequence[tuple[datetime, int]]:
    """The rates since somebody was let in: what was set before that would only spoil the scale."""
    obeyed = [index for index, (at, _) in enumerate(rates) if at <= began]
    return rates[max(obeyed, default=0) :]


def round_up(value: float) -> int:
    """The least round top of a scale that this fits under."""
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
