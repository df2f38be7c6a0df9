"""`onsale doctor`: checks a deployment from its settings, and says which promises it can keep."""

from __future__ import annotations

import os

import click
import orjson

from onsale.cli.doctor import clocks, machine, payments, record, report, settings, stores, web, workers
from onsale.cli.doctor.examining import Part, examine
from onsale.cli.doctor.promises import judge
from onsale.config import Config

PARTS: tuple[Part, ...] = (
    settings.PART,
    record.PART,
    stores.PART,
    clocks.PART,
    payments.PART,
    workers.PART,
    web.PART,
    machine.PART,
)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("--strict", is_flag=True, help="Exit with 1 for a warning too.")
@click.option(
    "--only",
    "wanted",
    multiple=True,
    type=click.Choice([part.name for part in PARTS]),
    help="Only this part; may be given several times. The promises need them all and are left out.",
)
def doctor(as_json: bool, strict: bool, wanted: tuple[str, ...]) -> None:
    """Check this deployment: its settings, its parts, its workers, its web. Harmless at any time, during a sale too.

    Each check says ok, warning, BROKEN or not checked, what was seen, and what to do. Exits with 1 when something is
    broken. Run it where the workers run, with the settings they have.
    """
    config = Config.from_env(os.environ)
    parts = [part for part in PARTS if not wanted or part.name in wanted]
    findings = examine(config, parts)
    verdicts = [] if wanted else judge(findings)
    passed = report.passes(findings, strict=strict)
    if as_json:
        click.echo(
            orjson.dumps(report.document(findings, verdicts, passed=passed), option=orjson.OPT_INDENT_2).decode()
        )
    else:
        click.echo(report.text(findings, verdicts, parts))
    if not passed:
        raise SystemExit(1)
