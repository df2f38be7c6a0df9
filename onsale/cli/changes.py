"""`onsale changes`: the change stream that keeps the index fresh: set it up, follow it, see how far behind it is."""

from __future__ import annotations

import os
import signal
import threading

import click
import sqlalchemy

from onsale import logs
from onsale.config import Config
from onsale.db import change_stream
from onsale.db.engine import make_engine
from onsale.errors import ConfigError
from onsale.search.event_index import EventIndex
from onsale.workers.changes import Follower

MEBIBYTE = 1024 * 1024


@click.group("changes")
def changes() -> None:
    """The change stream that keeps the search index fresh.

    Set it up once, then keep `onsale changes run` running beside the web. It reads the record's own log, so that
    nothing which changes the record has to think of the index.
    """


@changes.command("setup")
def set_up() -> None:
    """Make the publication and the replication slot; twice changes nothing."""
    with _autocommit(Config.from_env(os.environ)) as connection:
        made = change_stream.set_up(connection)
    click.echo("The change stream is set up. Next: onsale changes run" if made else "The change stream was set up.")


@changes.command("remove")
@click.confirmation_option(prompt="Searches will not hear of changes any more. Remove the slot?")
def remove() -> None:
    """Remove both, so that the server keeps no log for a reader that will not come back."""
    with _autocommit(Config.from_env(os.environ)) as connection:
        change_stream.tear_down(connection)
    click.echo("The change stream is removed. After setting it up again: onsale index rebuild")


@changes.command("status")
def status() -> None:
    """How much of its log the record keeps for us; exits with 1 when there is no slot."""
    with _autocommit(Config.from_env(os.environ)) as connection:
        behind = change_stream.behind_bytes(connection)
    if behind is None:
        raise click.ClickException("There is no slot. Run: onsale changes setup")
    click.echo(f"{behind / MEBIBYTE:.1f} MiB of the record's log are not confirmed.")


@changes.command("run")
def run() -> None:
    """Follow the change stream; a second one waits until the first has ended. SIGTERM stops it."""
    config = Config.from_env(os.environ)
    url = search_url(config)
    logs.configure(config)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    engine = make_engine(config.database_url, application_name="onsale-changes")
    with _autocommit(config) as connection:
        change_stream.set_up(connection)
    with EventIndex(url) as index:
        Follower(engine, index).run(stop)
    engine.dispose()


def search_url(config: Config) -> str:
    """Where the index is; ConfigError without one."""
    if not config.search_url:
        raise ConfigError(
            "ONSALE_SEARCH_URL is not set: searches run on the record, which is always fresh.",
            field="ONSALE_SEARCH_URL",
        )
    return config.search_url


def _autocommit(config: Config) -> sqlalchemy.Connection:
    engine = make_engine(config.database_url, application_name="onsale changes")
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")
