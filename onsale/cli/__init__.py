"""The `onsale` command: everything a person starts, with help that teaches.

A table names each command's module, so that `onsale --help` loads none of them; a command whose module is not there
yet is not listed.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click

from onsale.errors import OnsaleError
from onsale.sandbox.environment import RUN_ENV, load_run_env


class Entry(NamedTuple):
    """Where a command lives, and what `onsale --help` says of it before it is loaded."""

    place: str
    says: str


TRY = {
    "run": Entry("onsale.sandbox.run:run", "Start everything on this machine: parts, web, workers and a demo crowd."),
    "crowd": Entry("onsale.sandbox.crowd:main", "Send a few hundred simulated buyers to the demo's queues."),
    "seed": Entry("onsale.sandbox.seed:main", "Fill an empty record with sample venues, shows and on-sales."),
    "simulator": Entry("onsale.sandbox.stripe_simulator.command:simulator", "Serve the Stripe simulator."),
}
SERVE = {
    "web": Entry("onsale.cli.web:web", "Serve the API and the pages."),
    "seats": Entry("onsale.cli.seats:seats", "Tell seats live: viewers wait for the next change of a seat map."),
    "admit": Entry("onsale.workers.admissions:admit", "Let people in at each event's rate; run as many as you like."),
    "changes": Entry("onsale.cli.changes:changes", "Keep caches and the search index as fresh as the record."),
    "index": Entry("onsale.cli.index:index", "Make the search index anew, and compare it with the record."),
    "migrate": Entry("onsale.cli.migrate:migrate", "Bring the record's schema up to date."),
    "config": Entry("onsale.cli.settings:config", "Show the settings in force, with secrets hidden."),
    "why": Entry("onsale.cli.why:why", "Tell what happened to a booking or a buyer, and why, in sentences."),
    "keys": Entry("onsale.cli.keys:keys", "Say which keys are in force, and change them without losing a place."),
    "mail": Entry("onsale.cli.mail:mail", "See which letters wait or failed, and send one once more."),
    "staff": Entry("onsale.cli.staff:staff", "Create the people who run events."),
    "cancel-event": Entry("onsale.cli.cancel_event:cancel_event", "Call a show off, and refund everyone."),
    "codes": Entry("onsale.cli.codes:codes", "Make, list and switch the codes of an event."),
    "doctor": Entry("onsale.cli.doctor:doctor", "Check the parts, and say which promises they can keep."),
}
PROVE = {
    "rehearse": Entry("onsale.sandbox.rehearsal.command:rehearse", "Rehearse a sale before the public comes."),
    "tokens": Entry("onsale.sandbox.rehearsal.command:tokens", "Mint JWTs for a crowd that comes from elsewhere."),
    "verify": Entry("onsale.cli.verify:verify_command", "Check what must hold on the record of an event."),
    "draw": Entry("onsale.cli.draw:draw", "Announce a draw, give its beacon, export its list, verify one."),
    "report": Entry("onsale.cli.report:report_command", "Write the signed report of a sale, for anyone to check."),
    "report-key": Entry(
        "onsale.cli.report:report_key_command", "Show the key that reports are signed with, or make one."
    ),
    "waits": Entry("onsale.cli.waits:waits", "Say how often the waits that buyers were told came true."),
    "bench": Entry("onsale.sandbox.bench.command:bench", "Measure, as ratios in one run."),
}
SECTIONS = {"Try it": TRY, "Operate it": SERVE, "Prove it": PROVE}
COMMANDS = TRY | SERVE | PROVE

EPILOG = """
\b
First steps:
  onsale run                 start everything; it prints where to look
  CROWD=0 onsale run         the same, without the demo crowd
  onsale config              (in a second terminal) the settings in force
  onsale seed --rearm        (in a second terminal) put the demo's shows on sale anew
\b
Settings are variables, ONSALE_...; without ONSALE_DATABASE_URL a command takes
those of the last `onsale run` in this folder, from .onsale/run.env.
"""


class Commands(click.Group):
    """Commands loaded when they are asked for, listed by what they are for, failing with one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, entry in COMMANDS.items() if _is_there(entry)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None or not _is_there(entry):
            return None
        module, _, attribute = entry.place.partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, entries in SECTIONS.items():
            rows = [(name, entry.says) for name, entry in entries.items() if _is_there(entry)]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OnsaleError as error:
            raise click.ClickException(f"{error}{_first(ctx, error)}") from error


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="onsale")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".onsale"),
    show_default=True,
    envvar="ONSALE_FOLDER",
    help="Where `onsale run` keeps its data, secrets and logs.",
)
@click.pass_context
def main(ctx: click.Context, folder: Path) -> None:
    """Onsale sells tickets in the minute everybody wants one: a fair waiting room in front, a serial booking pipeline
    behind, and a record that can be audited afterwards.

    PostgreSQL is the record, Redis is the queue, the broker is a wake-up. On a laptop `onsale run` brings its own of
    each, and a Stripe simulator; give the address of a real one to replace any of them.
    """
    ctx.obj = folder
    if ctx.invoked_subcommand != "run" and not os.environ.get("ONSALE_DATABASE_URL"):
        load_run_env(folder)


def _first(ctx: click.Context, error: OnsaleError) -> str:
    """What to do about the address of the record, where nothing was ever started."""
    folder = ctx.obj
    if error.field != "ONSALE_DATABASE_URL" or not isinstance(folder, Path) or (folder / RUN_ENV).exists():
        return ""
    return f" Or start `onsale run`, which has never run in {folder}: then every command takes its settings from there."


def _is_there(entry: Entry) -> bool:
    module = entry.place.partition(":")[0]
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
