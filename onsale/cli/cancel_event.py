"""`onsale cancel-event EVENT`: a show that does not take place; everyone paid is refunded, and it says how far."""

from __future__ import annotations

import getpass
import os
import time

import click
from sqlalchemy import Engine

from onsale.cli.verify import event_named
from onsale.config import Config
from onsale.db import cancellations
from onsale.db.cancellations import REASON_CHARACTERS_MAX, Progress
from onsale.db.engine import make_engine, reading, transaction
from onsale.db.ids import EventId

LOOK_SECONDS = 1.0
# The sweep comes every two seconds; after this long without a step somebody should look why.
STILL_SECONDS_MAX = 30.0


@click.command("cancel-event")
@click.argument("event")
@click.option("--reason", help="Why; everybody with a booking reads it. Asked for if it is not given.")
@click.option("--yes", is_flag=True, help="Do not ask whether you mean it. It cannot be undone.")
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Tell how the refunds get on until they are done."
)
def cancel_event(event: str, reason: str | None, yes: bool, wait: bool) -> None:
    """Cancel EVENT (its id or slug): its sale stops, every booking ends, and everyone who paid gets all of it back.

    The sweeps do it; this command begins it and tells how far they have got, so it may be stopped (Ctrl-C) and called
    again to go on telling.
    """
    reason = None if reason is None else _fitting(reason)
    engine = make_engine(Config.from_env(os.environ).database_url, application_name="onsale cancel-event", pool_size=1)
    try:
        found = event_named(engine, event)
        with reading(engine) as connection:
            begun = cancellations.get(connection, found.id)
        if begun is None:
            why = reason or _fitting(click.prompt("Why (everybody with a booking reads it)"))
            _ask(found.name, yes=yes)
            with transaction(engine) as connection:
                cancellations.begin(connection, found.id, reason=why, actor=f"operator:{getpass.getuser()}")
            click.echo(f"{found.name} is cancelled. Nothing of it is sold any more.")
        else:
            click.echo(f"{found.name} was cancelled on {begun.asked_at:%d %b %Y, %H:%M} by {begun.asked_by}.")
        if wait:
            _tell(engine, found.id)
    finally:
        engine.dispose()


def _fitting(reason: str) -> str:
    reason = " ".join(reason.split())
    if not 0 < len(reason) <= REASON_CHARACTERS_MAX:
        raise click.BadParameter(f"wants 1 to {REASON_CHARACTERS_MAX} characters", param_hint="--reason")
    return reason


def _ask(name: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(f"Cancel {name}, end every booking and refund everyone? It cannot be undone.", abort=True)


def _tell(engine: Engine, event_id: EventId) -> None:
    """A line for each step, until nothing is left to do, or only what the bank refuses."""
    told: Progress | None = None
    moved, warned = time.monotonic(), False
    while True:
        with reading(engine) as connection:
            cancelled, progress = cancellations.get(connection, event_id), cancellations.progress(connection, event_id)
        if progress != told:
            click.echo(_words(progress))
            told, moved, warned = progress, time.monotonic(), False
        if cancelled is not None and cancelled.done_at is not None:
            click.echo("Done.")
            return
        if progress.failed and progress.done + progress.failed == progress.total and not progress.open:
            raise click.ClickException(
                f"The bank refuses {progress.failed} of the refunds for now. They are tried again by themselves, for "
                f"two days; the page Refunds of event {event_id} in the console says why, and tries at once."
            )
        if time.monotonic() - moved > STILL_SECONDS_MAX and not warned:
            click.echo("Nothing has moved for a while: see `onsale doctor --only workers --only payments`.", err=True)
            warned = True
        time.sleep(LOOK_SECONDS)


def _words(progress: Progress) -> str:
    parts = [f"{progress.done:,} of {progress.total:,} bookings refunded"]
    if progress.open:
        parts.append(f"{progress.open:,} unpaid ones are ending")
    if progress.failed:
        parts.append(f"the bank refuses {progress.failed:,}")
    if progress.let_in:
        parts.append(f"{progress.let_in:,} were used at the door and are left alone")
    return "; ".join(parts) + "."
