"""`onsale run`: everything on one machine, from nothing to a screen that says where to look.

It brings PostgreSQL, Valkey and a Stripe simulator (each replaced by the real one whose address you set), fills the
record, starts the lines of the Procfile, and keeps them running until Ctrl-C.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import sqlalchemy

from onsale.config import Config
from onsale.db.engine import make_engine, migrate, transaction
from onsale.sandbox.environment import RUN_ENV, write_env
from onsale.sandbox.passwords import passwords
from onsale.sandbox.screen import Facts, screen, shown_path
from onsale.sandbox.seed import seed
from onsale.sandbox.settings import given_settings, host_and_port
from onsale.sandbox.signals import StopAsked, StopSignals
from onsale.sandbox.stack import CROWD, Stack

LISTENS = """
\b
Where it listens; a port that is busy is left for the next free one:
  ONSALE_WEB_HOST           127.0.0.1
  ONSALE_WEB_PORT           8000; the simulator and the live seats take the two after it
"""


@click.command("run", epilog=LISTENS)
@click.option("--crowd/--no-crowd", envvar="CROWD", default=True, show_default=True, help="Send a demo crowd (CROWD).")
@click.option(
    "--search",
    envvar="SEARCH",
    type=click.Choice(["postgresql", "elasticsearch"]),
    default="postgresql",
    show_default=True,
    help="What searches run on (SEARCH). Elasticsearch is built with Java 21 and Maven.",
)
@click.pass_obj
def run(folder: Path, crowd: bool, search: str) -> None:
    """Start everything on this machine, print where to look, and stop it all at Ctrl-C.

    \b
    Brings what it is not given. Give the address of a real part to use that instead:
      ONSALE_DATABASE_URL       PostgreSQL 14 or newer
      ONSALE_READ_URL           a standby of it, for reading the catalogue
      ONSALE_QUEUE_URL          Redis 7 or Valkey; also ONSALE_CACHE_URL, ONSALE_BROKER_URL
      ONSALE_SEARCH_URL         Elasticsearch 9; without it searches run on PostgreSQL
      ONSALE_STRIPE_SECRET_KEY  a Stripe test key, with ONSALE_STRIPE_PUBLISHABLE_KEY
      ONSALE_SMTP_URL           a mail server, with ONSALE_MAIL_FROM; without it letters are files

    Data, secrets and logs stay in .onsale/ and are used again by the next run; remove the folder to begin anew.
    """
    began = time.monotonic()

    def say(what: str) -> None:
        # A closed terminal must not keep us from stopping in order.
        with suppress(OSError):
            click.echo(f"{time.monotonic() - began:6.1f} s  {what}")

    with StopSignals() as signals:
        stack = Stack(
            folder,
            say,
            given_settings(os.environ),
            hurried=signals.hurried,
            elasticsearch=search == "elasticsearch",
        )
        try:
            _start(stack, crowd=crowd)
            with suppress(OSError):
                click.echo(screen(_facts(stack, crowd=crowd, seconds=time.monotonic() - began)))
            stack.watch()
        except StopAsked:
            say("Stopping ...")
        finally:
            signals.only_hurry()
            stack.stop()
    say("Stopped. Nothing is left running.")


def _start(stack: Stack, *, crowd: bool) -> None:
    """Bring everything up, in the order in which one needs the other."""
    stack.start_parts()
    _fill_record(stack)
    write_env(stack.folder / RUN_ENV, stack.settings, comment="The settings of the last onsale run in this folder.")
    stack.start_lines()
    stack.wait_until_ready()
    if crowd:
        stack.start_line(CROWD)


def _fill_record(stack: Stack) -> None:
    """Bring the schema up to date, fill an empty record, and put the demo's shows on sale anew in our own."""
    url = Config.from_env(stack.settings).database_url
    migrate(url)
    engine = make_engine(url, application_name="onsale run")
    try:
        with transaction(engine) as connection:
            empty = not connection.scalar(sqlalchemy.text("SELECT EXISTS (SELECT FROM events)"))
            if stack.wanted.postgres or empty:
                known = passwords(stack.folder / "passwords")
                filled = seed(connection, now=datetime.now(UTC), passwords=known, rearm=not empty)
                stack.say(f"The record is ready: {filled.new_events} new events")
    finally:
        engine.dispose()


def _facts(stack: Stack, *, crowd: bool, seconds: float) -> Facts:
    return Facts(
        web=stack.settings["ONSALE_PUBLIC_URL"],
        simulator=stack.settings["ONSALE_STRIPE_API_BASE"] if stack.wanted.simulator else "",
        folder=stack.folder,
        passwords=stack.folder / "passwords",
        mail=_mail(stack),
        crowd=crowd,
        seconds=seconds,
    )


def _mail(stack: Stack) -> str:
    if server := stack.settings.get("ONSALE_SMTP_URL"):
        return f"sent by {host_and_port(server)}"
    return f"{shown_path(Path(stack.settings['ONSALE_OUTBOX_DIR']))}   open a letter there"
