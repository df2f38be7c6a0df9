"""`onsale changes`: the change stream that keeps caches and index fresh: set it up, follow it, see how far it is."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack

import click
import sqlalchemy

from onsale import logs
from onsale.config import Config
from onsale.db import change_stream
from onsale.db.change_stream import Kept, Slot
from onsale.db.engine import make_engine
from onsale.errors import ConfigError
from onsale.queue.client import connect
from onsale.queue.followed import ANSWER_SECONDS, Followed
from onsale.search.event_index import EventIndex
from onsale.workers.changes import CONNECTIONS_MAX, Follower

MEBIBYTE = 1024 * 1024


@click.group("changes")
def changes() -> None:
    """The change stream that keeps the caches and the search index fresh.

    Set it up once, then keep `onsale changes run` running beside the web. It reads the record's own log, so that
    nothing which changes the record has to think of its copies.
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
    """How much of its log the record keeps for us, and what to do about it; exits with 1 when something is wrong."""
    with _autocommit(Config.from_env(os.environ)) as connection:
        slot = change_stream.slot(connection)
    if slot is None:
        raise click.ClickException("There is no slot. Run: onsale changes setup")
    click.echo(f"{slot.behind_bytes / MEBIBYTE:.1f} MiB of the record's log are not confirmed.")
    found = slot_words(slot)
    if slot.kept in (Kept.UNRESERVED, Kept.LOST):
        raise click.ClickException(found)
    if found:
        click.echo(found)


def slot_words(slot: Slot) -> str:
    """What is wrong or dangerous with the slot, and what to do; empty when nothing is."""
    if slot.kept is Kept.LOST:
        return (
            "The slot is lost: the server has thrown away the log it had to tell. "
            "`onsale changes run` makes a new one, and the index anew."
        )
    if slot.kept is Kept.UNRESERVED:
        return (
            "The slot is about to be lost: more log is waiting than max_slot_wal_keep_size allows. "
            "Start `onsale changes run`, or raise max_slot_wal_keep_size."
        )
    if slot.keep_bytes_max is None:
        return (
            "max_slot_wal_keep_size is -1: while nobody follows, the log grows until the disk is full. "
            "Set it to what the disk can spare (ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'); "
            "beyond that the slot is given up, and the index made anew."
        )
    return ""


@changes.command("run")
def run() -> None:
    """Follow the change stream for the caches, and for the index where there is one (ONSALE_SEARCH_URL).

    A second one waits until the first has ended. SIGTERM stops it.
    """
    config = Config.from_env(os.environ)
    logs.configure(config)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    engine = make_engine(
        config.database_url, application_name="onsale-changes", pool_size=CONNECTIONS_MAX, max_overflow=0
    )
    followed = Followed(connect(config.cache_url, answer_seconds=ANSWER_SECONDS))
    with ExitStack() as open_until_the_end:
        index = open_until_the_end.enter_context(EventIndex(config.search_url)) if config.search_url else None
        Follower(engine, index, followed).run(stop)
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
