"""`onsale report EVENT --out DIR`: the signed report of a sale; `onsale report-key`: the key it is signed with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from onsale.cli.verify import event_named
from onsale.config import Config
from onsale.db import clock
from onsale.db.engine import make_engine, reading
from onsale.printing import out
from onsale.report import files
from onsale.report.auditing import audited
from onsale.report.signing import new_seed, report_key
from onsale.report.writing import WORDS, About
from onsale.workers import chaining


@click.command("report")
@click.argument("event")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where to; made if it is not there.",
)
@click.option(
    "--without-ledger", is_flag=True, help="Do not ask the payment provider; I2 is then reported as not checked."
)
def report_command(event: str, folder: Path, without_ledger: bool) -> None:
    """Write the signed report of EVENT (its id or slug), during a sale or after it: the whole log without names, its
    totals, what `onsale verify` finds, a page for people, and the program with which anyone checks it.

    Exits with 1 when an invariant is broken; the report says so too.
    """
    config = Config.from_env(os.environ)
    key = report_key(config)
    engine = make_engine(config.database_url, application_name="onsale report", pool_size=2)
    try:
        found = event_named(engine, event)
        chaining.catch_up(engine)
        verdict = audited(config, engine, found.id, ledger=not without_ledger)
        with reading(engine) as connection:
            about = About(found, verdict, clock.now(connection), key)
        made = files.write(engine, about, folder, told=_told)
    finally:
        engine.dispose()
    out(f"{made}\n  signed with {key.public}\n  check it: python3 {folder / files.VERIFIER} {made} --key {key.public}")
    broken = [one.invariant for one in verdict.findings if one.ok is False]
    if broken:
        out(f"  {WORDS[False]}: {', '.join(broken)}; `onsale verify {event}` says what")
        raise SystemExit(1)


def _told(done: int, of: int) -> None:
    """How far it is, on the terminal that waits for it."""
    if sys.stderr.isatty():
        click.echo(f"\r{done:,} of {of:,} lines", nl=done == of, err=True)


@click.command("report-key")
@click.option("--new", is_flag=True, help="Make up a secret for ONSALE_REPORT_KEY and print it, once.")
def report_key_command(new: bool) -> None:
    """Show the public key that sale reports are signed with; publish it where people trust you, beside your shop.

    The shop itself shows it at /.well-known/onsale-report-key.
    """
    if new:
        out(f"ONSALE_REPORT_KEY={new_seed()}")
        return
    out(report_key(Config.from_env(os.environ)).public)
