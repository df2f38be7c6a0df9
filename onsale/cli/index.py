"""`onsale index`: make the search index anew beside the old one, and compare it with the record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine

from onsale.cli.changes import search_url
from onsale.config import Config
from onsale.db.engine import make_engine
from onsale.search.comparing import AGREE_SECONDS, differences
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.rebuild import NotTheSame
from onsale.workers.changes import RebuildUnderWay, rebuild_alone

SHOWN_MAX = 20


@click.group("index")
def index() -> None:
    """The search index in Elasticsearch."""


@index.command("rebuild")
def rebuild() -> None:
    """Fill a new index, compare it with the record and put it in place; searches go on meanwhile.

    One that was interrupted goes on where it stood. `onsale changes run` must be running: it tells the new index what
    changes while it fills.
    """
    with _parts() as (engine, events):
        try:
            made = rebuild_alone(engine, events, progress=_say)
        except RebuildUnderWay:
            raise click.ClickException("Another process rebuilds the index. Wait for it.") from None
        except NotTheSame as error:
            raise click.ClickException(
                f"{error}. The old index stays in use. Is `onsale changes run` running? Then run this again."
            ) from None
    click.echo(f"{made.name} holds {made.events:,} events, equals the record, and is in use.")


@index.command("check")
@click.option("--seconds", default=AGREE_SECONDS, show_default=True, help="What just changed has so long to arrive.")
def check(seconds: float) -> None:
    """Compare every event of the record with the index; exits with 1 when one differs."""
    with _parts() as (engine, events):
        if not events.named(ALIAS):
            raise click.ClickException("There is no index. Run: onsale index rebuild")
        found = differences(engine, events, ALIAS, agree_seconds=seconds)
        count = events.count(ALIAS)
    for each in found[:SHOWN_MAX]:
        click.echo(f"  event {each.event_id}: {each.which}{' in ' if each.fields else ''}{', '.join(each.fields)}")
    if found:
        raise click.ClickException(f"{len(found):,} events differ. `onsale index rebuild` makes a new index.")
    click.echo(f"The index equals the record: {count:,} events.")


def _say(count: int) -> None:
    click.echo(f"  {count:,} events read", err=True)


@contextmanager
def _parts() -> Iterator[tuple[Engine, EventIndex]]:
    config = Config.from_env(os.environ)
    engine = make_engine(config.database_url, application_name="onsale index")
    try:
        with EventIndex(search_url(config)) as events:
            yield engine, events
    finally:
        engine.dispose()
