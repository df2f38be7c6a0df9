"""The console's live numbers: how the queue and the tickets stand now, and the chart of the last minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onsale.db import admissions, rate_control, sale_log
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueSettings
from onsale.queue import status
from onsale.queue.state import QueueState
from onsale.web.admin import chart
from onsale.web.admin.chart import Chart
from onsale.web.box_office import BoxOffice
from onsale.web.dial import Sale

BAR_UNITS = 1_000
CHANGES_READ_MAX = 100
# One every three seconds for the time that the chart shows.
STEPS_READ_MAX = 250


@dataclass(frozen=True)
class Live:
    """How a sale stands; `obeyed` says whether the queue works by the newest settings already."""

    at: datetime
    phase: str
    waiting: int
    admitted_last_minute: int
    active: int
    serving: int
    issued: int
    free: int
    held: int
    sold: int
    obeyed: bool
    limited_by: str
    takings_minor: int
    currency: str
    rate_in_force: int
    admitted: int
    entered: int
    holding: int
    undecided: int
    oldest_undecided_seconds: float
    paying: int
    payments_seconds: float
    declined: int

    @property
    def sold_x(self) -> int:
        """How far the bar of the sold goes."""
        return BAR_UNITS * self.sold // max(1, self.free + self.held + self.sold)

    @property
    def held_x(self) -> int:
        """How far the bar of the sold and the held goes."""
        return BAR_UNITS * (self.sold + self.held) // max(1, self.free + self.held + self.sold)


def live(sale: Sale) -> Live | None:
    """The numbers now; None while the queue does not answer."""
    if sale.status is None:
        return None
    state, stock, signs = sale.status.state, sale.numbers.stock, sale.signs
    return Live(
        at=datetime.fromtimestamp(state.now_ms / 1000, UTC),
        phase=status.derived_phase(state).value,
        waiting=state.waiting,
        admitted_last_minute=state.admitted_last_minute,
        active=state.active,
        serving=state.serving,
        issued=state.issued,
        free=stock.free,
        held=stock.held,
        sold=stock.sold,
        obeyed=state.version >= sale.version,
        limited_by=_limited_by(state, stock.free),
        takings_minor=sale.numbers.takings_minor,
        currency=sale.numbers.currency,
        rate_in_force=0 if state.stopped else state.rules.rate_per_minute,
        admitted=state.admitted,
        entered=state.entered,
        holding=state.holding,
        undecided=signs.backlog,
        oldest_undecided_seconds=signs.backlog_seconds,
        paying=signs.carried + signs.uncarried,
        payments_seconds=max(signs.carried_seconds, signs.uncarried_seconds),
        declined=signs.declined,
    )


def _limited_by(state: QueueState, free: int) -> str:
    """Why fewer come in than the rate allows, when something else is the limit."""
    if state.recovering:
        return "The queue is being restored after a loss of Redis; nobody is let in until it is."
    if slowed := status.why(state):
        return slowed
    if not state.waiting or state.rules.rate_per_minute == 0:
        return ""
    if state.active >= state.rules.max_active:
        return "As many are inside as may be at once: people come in as others finish."
    if state.admitted + state.entered >= free:
        return "As many are choosing as there are tickets free: people come in as others finish."
    return ""


def admission_chart(office: BoxOffice, event_id: EventId, settings: QueueSettings, *, now: datetime) -> Chart:
    """The chart of the last minutes."""
    start = now - timedelta(minutes=chart.MINUTES)
    with reading(office.engine) as connection:
        admitted = admissions.by_interval(connection, event_id, since=start, seconds=chart.BAR_SECONDS)
        lines = sale_log.newest(connection, event_id, limit=CHANGES_READ_MAX)
        steps = rate_control.steps(connection, event_id, since=start, limit=STEPS_READ_MAX)
    rates = _rates(lines, settings, start)
    held = [(step.at, step.per_minute) for step in steps]
    return chart.draw(admitted, rates, chart.lower(rates, held) if held else (), now=now)


def _rates(lines: tuple[sale_log.Line, ...], settings: QueueSettings, start: datetime) -> list[tuple[datetime, int]]:
    """From when on which rate was set, oldest first, reconstructed backwards from the one in force."""
    rates: list[tuple[datetime, int]] = []
    rate = settings.rate_per_minute
    for line in lines:
        before = _rate_before(line)
        if before is None:
            continue
        rates.append((line.at, rate))
        rate = before
        if line.at < start:
            break
    rates.append((min(start, rates[-1][0]) if rates else start, rate))
    return rates[::-1]


def _rate_before(line: sale_log.Line) -> int | None:
    """The rate that a line of the sale log replaced."""
    changed = line.body.get("rate_per_minute")
    before = changed.get("from") if isinstance(changed, dict) else None
    return before if isinstance(before, int) else None
