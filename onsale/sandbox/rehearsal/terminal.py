"""A rehearsal on the terminal: one line that lives while it goes on, and a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from onsale.sandbox.rehearsal.journal import Progress
from onsale.sandbox.rehearsal.recovering import Recovered
from onsale.sandbox.rehearsal.results import COMPARED, COMPARED_SPREADS, Results
from onsale.sandbox.rehearsal.watching import Sample

WIDTH = 78
NAME_WIDTH = 30
ROUTES_SHOWN_MAX = 12
BROKEN_SHOWN_MAX = 8
# Where nobody watches, a line now and then is enough.
QUIET_SECONDS = 10.0


class Live:
    """Shows progress on standard error, so that `--json` stays clean."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()
        self._told_at = float("-inf")

    def say(self, what: str) -> None:
        """One line that stays."""
        self._clear()
        click.echo(f"  {what}", err=True)

    def show(self, progress: Progress, sample: Sample | None) -> None:
        """How it stands now."""
        if not self._moves and progress.seconds - self._told_at < QUIET_SECONDS:
            return
        self._told_at = progress.seconds
        line = progress_line(progress, sample)
        click.echo(f"\r\x1b[2K{line}" if self._moves else line, err=True, nl=not self._moves)

    def _clear(self) -> None:
        if self._moves:
            click.echo("\r\x1b[2K", err=True, nl=False)


def progress_line(progress: Progress, sample: Sample | None) -> str:
    """One line: the time, where everybody is, what is left."""
    status = sample.status if sample else {}
    left = f"  free {status['free']}" if status.get("free") is not None else ""
    errors = progress.no_answer + progress.server_errors
    wrong = f"  errors {errors}" if errors else ""
    return (
        f"  {progress.seconds:6.1f} s  coming {progress.coming}  waiting {progress.waiting}  inside {progress.inside}"
        f"  done {progress.done}  tickets for {progress.confirmed}{left}  requests {progress.requests}{wrong}"
    )


def report(found: Results) -> str:
    """The whole result, for a person."""
    lines = ["", _heading("Rehearsal"), *_sale(found), "", _heading("What must hold"), *_promises(found), ""]
    lines += [_heading("How buyers left"), *_rows(found.outcomes), ""]
    if found.gave_up:
        lines += [_heading("Why they gave up"), *(f"  {count:>8}  {why}" for why, count in found.gave_up.items()), ""]
    if found.http_failures:
        said = (f"  {count:>8}  {which}" for which, count in found.http_failures.items())
        lines += [_heading("Requests answered with 5xx, or not at all"), *said, ""]
    lines += [_heading("Milliseconds a request took, from when it was due"), *_latencies(found), ""]
    if found.cpu_seconds:
        lines += [_heading("CPU seconds"), *_rows(found.cpu_seconds), ""]
    if found.faults is not None:
        counts = {name.replace("_", " "): count for name, count in found.faults.items()}
        lines += [_heading("What went wrong at the bank"), *_rows(counts), ""]
    if found.slow_provider is not None:
        lines += [_heading(f"While the bank was slow ({found.slow_provider})"), *_slowed(found), ""]
    if found.kills:
        lines += [_heading("Killed"), *_kills(found), ""]
    return "\n".join([*lines, *_verdict(found)])


def _slowed(found: Results) -> list[str]:
    rates = {"lowest": found.lowest_rate_per_minute, "last": found.last_rate_per_minute}
    rows = [f"  {rate:>8}  a minute, the {name} rate in force" for name, rate in rates.items() if rate is not None]
    late = "" if found.late_payments is None else f"  {found.late_payments:>8}  holds ran out while being paid"
    return [*rows, *([late] if late else []), *(f"  {why}" for why in found.why_slower)]


def compared(found: Results, before: Mapping[str, Any]) -> str:
    """The figures that can be compared with an earlier rehearsal's, side by side."""
    now = found.as_json()
    pairs = [(name, before.get(name), now[name]) for name in COMPARED]
    for name in COMPARED_SPREADS:
        old = before.get(name)
        old = old if isinstance(old, dict) else {}
        pairs += [(f"{name} {rank}", old.get(rank), now[name][rank]) for rank in ("p50", "p95", "p99")]
    rows = [f"  {name:<36} {_number(old):>12} {_number(new):>12}  {_change(old, new)}" for name, old, new in pairs]
    return "\n".join(["", _heading("Compared with before"), *rows])


def _sale(found: Results) -> list[str]:
    shown: dict[str, object] = {
        "buyers": found.buyers,
        "joined": found.joined,
        "seats": found.seats,
        "sold": found.sold,
        "seconds": f"{found.seconds:.1f}",
        "bookings a second": found.bookings_per_second,
        "rate set, a minute": found.rate_set_per_minute,
        "rate error": None if found.rate_error is None else f"{found.rate_error:.3%}",
        "CPU seconds a booking": found.cpu_seconds_per_booking,
        "turn to ticket, seconds": _ranks(found.admitted_to_ticket_seconds),
        "accepted to held, seconds": _ranks(found.accepted_to_held_seconds),
    }
    return _rows({name: value for name, value in shown.items() if value is not None})


def _promises(found: Results) -> list[str]:
    counted = {
        "tickets sold twice": found.double_sold,
        "bookings out of order": found.inversions,
        "accepted bookings lost": found.lost_bookings,
        "answers 5xx": found.http_5xx,
        "requests without an answer": found.http_no_answer,
        "promises broken to buyers": found.broken_promises_count,
    }
    words = {True: "holds", False: "BROKEN", None: "not checked"}
    checked = {name: words[ok] for name, ok in found.verify.items()}
    shown = [f"    {what}" for what in found.broken_promises[:BROKEN_SHOWN_MAX]]
    counts = _rows({name: "not known" if count is None else count for name, count in counted.items()})
    return [*counts, *shown, *_rows(checked)]


def _latencies(found: Results) -> list[str]:
    rows = [f"  {'':<48} {'count':>8} {'p50':>8} {'p95':>8} {'p99':>8}"]
    busiest = sorted(found.latency_ms.items(), key=lambda each: -(each[1]["count"] or 0))
    for name, times in busiest[:ROUTES_SHOWN_MAX]:
        ranks = " ".join(f"{_number(times[rank]):>8}" for rank in ("p50", "p95", "p99"))
        rows.append(f"  {name:<48} {times['count']:>8} {ranks}")
    return rows


def _kills(found: Results) -> list[str]:
    return [line for kill in found.kills for line in _kill(kill)]


def _kill(kill: Recovered) -> list[str]:
    back = kill.recovered_seconds
    said = "booking never came back" if back is None else f"back in {back:.1f} s"
    first = {
        "decided": kill.decided_again_seconds,
        "paid": kill.paid_again_seconds,
        "numbers called": kill.called_again_seconds,
    }
    again = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in first.items() if seconds is not None)
    return [
        f"  {kill.process} at booking {kill.at_booking}, after {kill.at_seconds:.1f} s: {said}",
        *([f"    first again after: {again}"] if again else []),
    ]


def _verdict(found: Results) -> list[str]:
    lines = [f"  not ok: {why}" for why in found.why_not] or ["  ok: nothing lost, nothing doubled, nobody passed by."]
    if found.generator_saturated:
        lines.append(
            f"  The generator could not keep up (CPU {found.generator_cpu_share:.0%} of a core, requests up to "
            f"{found.generator_late_ms_p99:.0f} ms late at p99): times are partly its own, or its machine's."
        )
    return lines


def _rows(values: Mapping[str, object]) -> list[str]:
    return [f"  {name:<{NAME_WIDTH}} {value}" for name, value in values.items()]


def _ranks(found: Mapping[str, float | None]) -> str:
    return "  ".join(f"{rank} {_number(value)}" for rank, value in found.items())


def _heading(words: str) -> str:
    return f"── {words} ".ljust(WIDTH, "─")


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return "-" if value is None else str(value)


def _change(old: object, new: object) -> str:
    if isinstance(old, (int, float)) and isinstance(new, (int, float)) and old:
        return f"{(new - old) / old:+.0%}"
    return ""
