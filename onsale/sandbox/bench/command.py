"""`onsale bench`: measures the rows asked for, one after the other, and says which floors are met."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import click

from onsale.sandbox.bench.rows import TRIAL, Effort, Measured, Row, Spec, judged
from onsale.sandbox.bench.table import SPECS

# A row needs at least two pairs to have a middle, and a second of CPU to be read from a clock of 10 ms.
SECONDS_MIN, SECONDS_MAX = 0.2, 60.0


@click.command("bench")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print the list of rows as JSON, and nothing else.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is to measure, and measure nothing.")
@click.option("--seconds", type=click.FloatRange(SECONDS_MIN, SECONDS_MAX), help="How long one run takes.")
@click.option("--quick", is_flag=True, help="One short run of each, to see that it works; quote no number of it.")
def bench(names: tuple[str, ...], *, as_json: bool, only_list: bool, seconds: float | None, quick: bool) -> None:
    """Measure Onsale as ratios in one run, each row on parts of its own in a temporary folder.

    Where a row is held against something, runs alternate and the median of the pairs is quoted. Ends with 1 when a
    floor is missed; the goal is where we are going. A quiet machine gives steadier numbers.
    """
    if only_list:
        click.echo(_listed())
        return
    effort = TRIAL if quick else Effort()
    if seconds is not None:
        effort = replace(effort, seconds=seconds)
    rows = [_measured(spec, effort, as_json=as_json) for spec in _chosen(names)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    sys.exit(0 if all(row["ok"] for row in rows) else 1)


def _chosen(names: Sequence[str]) -> list[Spec]:
    for name in names:
        if name not in SPECS:
            raise click.UsageError(f"There is no row {name!r}. There are {', '.join(SPECS)}.")
    return [SPECS[name] for name in dict.fromkeys(names)] or list(SPECS.values())


def _measured(spec: Spec, effort: Effort, *, as_json: bool) -> Row:
    progress = Progress(spec.name)
    measured = spec.measure(effort, progress.say)
    progress.end()
    row = judged(spec, measured)
    if not as_json:
        click.echo(shown(row, spec, measured, seconds=progress.seconds))
    for fault in measured.faults:
        click.echo(f"{spec.name}: {fault}", err=True)
    return row


class Progress:
    """What a row is doing, on one line of the terminal's error channel; nothing where nobody watches."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._live = sys.stderr.isatty()
        self.say("starting its parts ...")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, what: str) -> None:
        if self._live:
            click.echo(f"\r\033[K{self._name}  {self.seconds:5.1f} s  {what}", nl=False, err=True)

    def end(self) -> None:
        if self._live:
            click.echo("\r\033[K", nl=False, err=True)


def shown(row: Row, spec: Spec, measured: Measured, *, seconds: float) -> str:
    """The row for a person."""
    sign = "<=" if spec.lower_is_better else ">="
    verdict = "ok    " if row["ok"] else "MISSED"
    limits = f"floor {sign} {row['floor']:g}, goal {sign} {row['goal']:g}"
    line = f"{verdict}  {row['name']:<12} {row['value']:>12,.4g} {row['unit']:<24} {limits}"
    notes = [f"        {note}" for note in measured.notes]
    return "\n".join([line, *notes, f"        {seconds:.0f} s"])


def _listed() -> str:
    lines = []
    for spec in SPECS.values():
        sign = "<=" if spec.lower_is_better else ">="
        lines += [f"{spec.name:<12} {spec.says}", f"{'':<12} floor {sign} {spec.floor:g}, goal {sign} {spec.goal:g}"]
    return "\n".join(lines)
