"""Which charts a rehearsal's page has, and what each says in a sentence: for whoever does not see it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from onsale.sandbox.rehearsal import series
from onsale.sandbox.rehearsal.conducting import Conducted
from onsale.sandbox.rehearsal.results import NOT_OURS, Results
from onsale.sandbox.rehearsal.series import Line, Series
from onsale.sandbox.rehearsal.tiles import percent

# What buyers do, in their order, by the routes they do it with.
BOOKING_STEPS = {
    "Join the queue": "POST /v1/events/{id}/queue",
    "Ask how the queue stands": "GET /v1/events/{id}/queue",
    "Enter when the turn has come": "POST /v1/events/{id}/queue/me/enter",
    "Book": "POST /v1/events/{id}/bookings",
    "Ask how the booking stands": "GET /v1/bookings/{id}",
    "Pay": "POST /v1/bookings/{id}/payment",
}


class Kind(StrEnum):
    """How a chart is drawn."""

    LINES = "lines"
    # One on the other: the height is their sum.
    STACKED = "stacked"
    BARS = "bars"


@dataclass(frozen=True)
class Chart:
    """One picture: `about` is what is drawn, `says` what came out; bars have `labels` instead of moments."""

    id: str
    title: str
    about: str
    says: str
    unit: str
    kind: Kind
    series: Series
    labels: tuple[str, ...] = ()
    logarithmic: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value is not None for line in self.series.lines for value in line.values)

    def as_json(self) -> dict[str, Any]:
        """What the page's script draws."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "unit": self.unit,
            "logarithmic": self.logarithmic,
            "at": self.labels or self.series.seconds,
            "lines": [{"name": line.name, "values": line.values} for line in self.series.lines],
        }


def of_the_sale(conducted: Conducted, found: Results) -> list[Chart]:
    """The queue, admissions, tickets, how buyers left, and CPU."""
    samples = conducted.samples
    began_at = conducted.journal.exchanges.began_at
    queue, admissions = series.queue(samples), series.admissions(samples)
    tickets = series.tickets(samples, conducted.journal.visits, began_at=began_at)
    return [
        Chart(
            "queue",
            "The queue",
            "How many people wait, and which numbers were given out and called.",
            _queue_says(queue),
            "people",
            Kind.LINES,
            queue,
        ),
        Chart(
            "admissions",
            "Admissions against the rate",
            "Numbers called a second, over the last five seconds, and the rate that was set.",
            _admissions_say(admissions, found),
            "a second",
            Kind.LINES,
            admissions,
        ),
        Chart(
            "tickets",
            "Tickets",
            "Free and held as the queue's status says, confirmed as buyers were told.",
            _tickets_say(tickets, found),
            "tickets",
            Kind.LINES,
            tickets,
        ),
        _outcomes(found),
        _cpu(conducted, found),
    ]


def of_latencies(conducted: Conducted, found: Results) -> Iterator[Chart]:
    """One chart for each step of a booking that was taken, milliseconds on a logarithmic scale."""
    journal = conducted.journal
    step = series.step_seconds(journal.seconds)
    for n, (title, route) in enumerate(BOOKING_STEPS.items()):
        drawn = series.latency(journal.exchanges, route, seconds=journal.seconds)
        if drawn.seconds:
            yield Chart(
                f"latency-{n}",
                title,
                f"{route}, a point for each {_width(step)}.",
                _latency_says(found.latency_ms[route]),
                "ms",
                Kind.LINES,
                drawn,
                logarithmic=True,
            )


def _outcomes(found: Results) -> Chart:
    ordered = sorted(found.outcomes.items(), key=lambda each: -each[1])
    line = Line("buyers", tuple(count for _, count in ordered))
    return Chart(
        "outcomes",
        "How buyers left",
        "What each visit ended with.",
        _sentence(", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in ordered)),
        "buyers",
        Kind.BARS,
        Series((), (line,)),
        labels=tuple(name.replace("_", " ") for name, _ in ordered),
    )


def _cpu(conducted: Conducted, found: Results) -> Chart:
    drawn = series.cpu(conducted.samples)
    return Chart(
        "cpu",
        "CPU by process",
        "Cores kept busy, one process on the other; the simulator stands for a bank, which runs elsewhere.",
        _cpu_says(found.cpu_seconds, drawn),
        "cores",
        Kind.STACKED,
        drawn,
    )


def _queue_says(drawn: Series) -> str:
    known = _known(drawn, "waiting")
    if not known:
        return "Nobody could tell how the queue stood."
    at, most = max(known, key=lambda each: each[1])
    return f"At most {most:,.0f} people waited, {at:,.0f} s after the opening; {known[-1][1]:,.0f} at the end."


def _admissions_say(drawn: Series, found: Results) -> str:
    called = [value for _, value in _known(drawn, "numbers called")]
    if not called or found.rate_set_per_minute is None:
        return "Nobody could tell how many were called."
    said = (
        f"{found.rate_set_per_minute / 60:,.4g} a second were set at the end; at most {max(called):,.4g} were called."
    )
    if found.rate_error is None:
        return said
    return f"{said} While only the rate held people back, admissions were {percent(found.rate_error)} off it."


def _tickets_say(drawn: Series, found: Results) -> str:
    free, confirmed = _known(drawn, "free"), _known(drawn, "confirmed")
    if not free or not confirmed:
        return "Nobody could tell how many tickets there were."
    return (
        f"{free[0][1]:,.0f} were free at the opening and {free[-1][1]:,.0f} at the end; "
        f"buyers were told of {confirmed[-1][1]:,.0f} as theirs."
    )


def _cpu_says(spent: Mapping[str, float], drawn: Series) -> str:
    if not drawn.lines or not spent:
        return "The shop ran elsewhere: its processes could not be looked at."
    ours = {name: seconds for name, seconds in spent.items() if name not in NOT_OURS}
    busiest = max(ours, key=lambda name: ours[name], default="")
    return (
        f"{sum(ours.values()):,.0f} CPU seconds in all without the simulator, {ours.get(busiest, 0):,.0f} of {busiest}."
    )


def _latency_says(times: Mapping[str, float | None]) -> str:
    return (
        f"Of {times['count']:,.0f} answers half took up to {times['p50']:,.0f} ms, 95 % up to {times['p95']:,.0f} ms, "
        f"99 % up to {times['p99']:,.0f} ms; the slowest {times['max']:,.0f} ms."
    )


def _known(drawn: Series, name: str) -> list[tuple[float, float]]:
    """The moments at which this line has a value."""
    values = next((line.values for line in drawn.lines if line.name == name), ())
    return [(at, value) for at, value in zip(drawn.seconds, values, strict=True) if value is not None]


def _width(step: int) -> str:
    return "second" if step == 1 else f"{step} seconds"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else "Nobody came."
