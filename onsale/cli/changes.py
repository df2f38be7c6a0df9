"""`onsale changes`: the change stream that keeps caches and index fresh: set it up, follow it, see how far it is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click
from sqlalchemy import Engine

from onsale import logs
from onsale.config import Config
from onsale.db import change_outbox, change_source, change_stream
from onsale.db.change_outbox import OutboxState
from onsale.db.change_source import Source
from onsale.db.change_stream import Kept, Slot
from onsale.db.engine import make_engine, reading
from onsale.errors import ChangesNotSetUp, ConfigError
from onsale.queue.client import connect
from onsale.queue.followed import ANSWER_SECONDS, Followed
from onsale.search.event_index import EventIndex
from onsale.workers.changes import CONNECTIONS_MAX, Follower

MEBIBYTE = 1024 * 1024


@click.group("changes")
def changes() -> None:
    """The change stream that keeps the caches and the search index fresh.

    Set it up once, then keep `onsale changes run` running beside the web. It reads the record's own log, or what
    triggers write down, so that nothing which changes the record has to think of its copies.
    """


@changes.command("setup")
@click.option(
    "--source",
    type=click.Choice(["auto", *(each.value for each in Source)]),
    default="auto",
    show_default=True,
    help="auto: what there is stays; without any a slot, or the outbox where the server has none to give.",
)
def set_up(source: str) -> None:
    """Make what changes are heard by: a slot of the record's log, or the outbox; twice changes nothing.

    A slot costs the record nothing and wants wal_level = logical and a user that may replicate. The outbox wants
    neither: triggers on six tables of the catalogue write down what was changed. Switching loses nothing: the copies
    are made anew.
    """
    with _opened() as engine:
        try:
            done = change_source.set_up(engine, None if source == "auto" else Source(source))
        except ChangesNotSetUp as error:
            raise click.ClickException(f"It cannot be had: {error}.") from error
    click.echo(f"Changes are heard by the {done.source}: {done.why}.")
    click.echo("The change stream is set up. Next: onsale changes run" if done.made else "It was set up.")


@changes.command("remove")
@click.confirmation_option(prompt="Searches will not hear of changes any more. Remove slot and outbox?")
def remove() -> None:
    """Remove slot or outbox, so that the server keeps nothing for a reader that will not come back."""
    with _opened() as engine:
        with reading(engine) as connection:
            followed = [each for each in (change_stream.slot(connection), change_outbox.state(connection)) if each]
        if any(each.followed for each in followed):
            raise click.ClickException("Somebody follows the changes. Stop `onsale changes run` first.")
        change_source.tear_down(engine)
    click.echo("The change stream is removed. After setting it up again: onsale index rebuild")


@changes.command("status")
def status() -> None:
    """How much the record keeps for us, and what to do about it; exits with 1 when something is wrong."""
    with _opened() as engine, reading(engine) as connection:
        outbox, slot = change_outbox.state(connection), change_stream.slot(connection)
    if outbox is not None:
        click.echo(f"The outbox: {outbox.rows:,} rows are not done with, of {outbox.rows_max:,}.")
        found, wrong = outbox_words(outbox), outbox.is_full
    elif slot is not None:
        click.echo(f"The slot: {slot.behind_bytes / MEBIBYTE:.1f} MiB of the record's log are not confirmed.")
        found, wrong = slot_words(slot), slot.kept in (Kept.UNRESERVED, Kept.LOST)
    else:
        raise click.ClickException("There is neither slot nor outbox. Run: onsale changes setup")
    if wrong:
        raise click.ClickException(found)
    if found:
        click.echo(found)


def outbox_words(outbox: OutboxState) -> str:
    """What is wrong or dangerous with the outbox, and what to do; empty when nothing is."""
    if outbox.is_full:
        return (
            "The outbox is full: changes are not written down any more. "
            "`onsale changes run` empties it, and makes the copies and the index anew."
        )
    if outbox.grows:
        return (
            f"The outbox grows: {outbox.rows:,} rows wait; beyond {outbox.rows_max:,} none is written, "
            "and the index is made anew. See that `onsale changes run` runs, and that Elasticsearch answers it."
        )
    return ""


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


@contextmanager
def _opened() -> Iterator[Engine]:
    engine = make_engine(Config.from_env(os.environ).database_url, application_name="onsale changes")
    try:
        yield engine
    finally:
        engine.dispose()
