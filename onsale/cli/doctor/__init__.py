"""`onsale doctor`: checks a deployment from its settings, and says which promises it can keep."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import orjson

from onsale.cli.doctor import clocks, copies, machine, mail, payments, record, report, settings, stores, web, workers
from onsale.cli.doctor.examining import Part, examine
from onsale.cli.doctor.promises import judge
from onsale.config import Config
from onsale.errors import ConfigError
from onsale.sandbox.environment import known_secrets


class WrongSettings(click.ClickException):
    """A setting is missing or wrong: as for a wrong option, nothing was checked."""

    exit_code = 2


PARTS: tuple[Part, ...] = (
    settings.PART,
    record.PART,
    stores.PART,
    copies.PART,
    clocks.PART,
    payments.PART,
    mail.PART,
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
@click.pass_obj
def doctor(folder: Path | None, as_json: bool, strict: bool, wanted: tuple[str, ...]) -> None:
    """Check this deployment: its settings, its parts, its workers, its web. Harmless at any time, during a sale too.

    Each check says ok, warning, BROKEN or not checked, what was seen, and what to do. Exits with 1 when something is
    broken, with 2 when a setting is missing or wrong. Run it where the workers run, with the settings they have.
    """
    config = _config()
    parts = [part for part in PARTS if not wanted or part.name in wanted]
    findings = examine(config, [_knowing(folder, part) for part in parts])
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


def _config() -> Config:
    try:
        return Config.from_env(os.environ)
    except ConfigError as error:
        raise WrongSettings(str(error)) from error


def _knowing(folder: Path | None, part: Part) -> Part:
    """The settings' part is told what a sandbox in this folder made up for itself."""
    if part is not settings.PART or folder is None:
        return part
    return replace(part, examine=partial(settings.examine, made_up=known_secrets(folder)))
