"""`onsale draw`: announce an event's draw, give its beacon's value, export the list of it, and verify such a list."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

import click
from sqlalchemy import Connection, Engine

from onsale.cli.verify import event_named
from onsale.config import Config
from onsale.db import draws, sale_log
from onsale.db.catalogue import Event
from onsale.db.draws import Draw
from onsale.db.engine import make_engine, transaction
from onsale.printing import out
from onsale.queue.draw import SEED_BYTES
from onsale.verify import draw_list, draw_listing

ACTOR = "command"
ORDER = (
    "The order: `announce`, then let people into the pre-queue, entries close at opens_at, then `beacon`. "
    "`onsale admit` draws within a second."
)

T = TypeVar("T")


@click.group("draw", epilog=ORDER)
def draw() -> None:
    """Draw the numbers of an event's pre-queue by lot, so that anybody can check it."""


@draw.command("announce")
@click.argument("event")
@click.option("--beacon-name", default="", help='A LATER public value that will count: "drand quicknet round 12345".')
def announce(event: str, beacon_name: str) -> None:
    """Make the queue of EVENT a draw, before its pre-queue opens. Again: names another beacon, the seed stays."""

    def act(connection: Connection, found: Event) -> Draw:
        seed = secrets.token_bytes(SEED_BYTES)
        return draws.announce(connection, found.id, seed=seed, beacon_name=beacon_name, actor=ACTOR)

    made = _with_event(event, act)
    out(f"Publish this hash of the seed before anybody joins:\n  {made.seed_hash}")
    if not beacon_name:
        out("There is no beacon: the page says that you might have known the order before. --beacon-name names one.")


@draw.command("withdraw")
@click.argument("event")
def withdraw(event: str) -> None:
    """First come, first served again, while nobody has joined EVENT."""
    _with_event(event, lambda connection, found: draws.withdraw(connection, found.id, actor=ACTOR))
    out("It is first come, first served again.")


@draw.command("show")
@click.argument("event")
def show(event: str) -> None:
    """What is public about the draw of EVENT, as JSON."""
    out(json.dumps(_with_event(event, _drawn).public(), indent=2))


@draw.command("beacon")
@click.argument("event")
@click.option("--value", help="As its source published it, after the entries were closed.")
@click.option("--without", is_flag=True, help="Do not wait for it; every buyer is told so.")
def beacon(event: str, value: str | None, without: bool) -> None:
    """Give the value of the beacon that was named for EVENT; its numbers are then drawn."""
    if (value is None) == (not without):
        raise click.UsageError("Give --value with what was published, or --without.")

    def act(connection: Connection, found: Event) -> Draw:
        if value is None:
            return draws.go_without_beacon(connection, found.id, actor=ACTOR)
        return draws.put_beacon(connection, found.id, value, actor=ACTOR)

    _with_event(event, act)
    out("It is on record. `onsale admit` draws the numbers within a second; `onsale draw show` tells them.")


@draw.command("export")
@click.argument("event")
@click.option("--output", "-o", type=click.File("w", encoding="utf-8"), default="-", help="Where to; else to stdout.")
def export(event: str, output: TextIO) -> None:
    """Write the list of EVENT's draw: pre-queue number, a made-up name, drawn number. Anybody can verify it."""
    for line in _with_event(event, _list):
        output.write(line + "\n")


@draw.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seed-hash", help="As the event's page had it before the draw.")
@click.option("--beacon-name", help='As the event\'s page had it before anybody could join; "" for none.')
@click.option("--beacon", help="The beacon's value, as its own source published it.")
@click.option("--event", type=int, help="The event's number, as in the address of its page.")
@click.option("--size", type=int, help="How many numbers were drawn, as the event's page has it.")
@click.option("--list-hash", help="Of a list you were given before.")
@click.option("--weights", help='As the event\'s page had them, "5:200,10:20": who counts how often; "-" for none.')
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def verify(file: Path, as_json: bool, **noted: str | int | None) -> None:
    """Check everybody's number from a list that `onsale draw export` wrote. Needs no record and no network.

    Exits with 1 when something is wrong, and says what: event, seed, beacon, count, list, weights or numbers. What no
    option gives is believed as the list has it, and told.
    """
    try:
        weights = None if noted["weights"] is None else draw_list.weights_in(str(noted["weights"]))
    except ValueError as error:
        raise click.BadParameter('is like "5:200,10:20", or "-" for none', param_hint="--weights") from error
    with file.open(encoding="utf-8") as lines:
        found = draw_list.check(lines, {**noted, "weights": weights})
    if as_json:
        with file.open(encoding="utf-8") as lines:
            believed = [option for option, _ in draw_list.taken(next(lines, ""), noted)]
        wrong = [{"what": one.what, "says": one.says} for one in found]
        out(json.dumps({"ok": not found, "wrong": wrong, "believed": believed}))
    else:
        for line in draw_list.in_words(str(file), found, noted):
            out(line)
    if found:
        raise SystemExit(1)


def _list(connection: Connection, event: Event) -> Iterator[str]:
    """The list's lines; that it was told, and its hash, are a line of the sale log."""
    found = _drawn(connection, event)
    if found.key is None or found.size is None:
        raise click.ClickException("The numbers are not drawn yet. `onsale draw show` says what is waited for.")
    lines, list_hash, named = draw_listing.listed(connection, event.id, found)
    body = {"list_hash": list_hash, "entries": named}
    sale_log.append(connection, event.id, actor=ACTOR, kind="draw_exported", body=body)
    return lines


def _drawn(connection: Connection, event: Event) -> Draw:
    found = draws.get(connection, event.id)
    if found is None:
        raise click.ClickException(
            "This event's queue is first come, first served. `onsale draw announce` changes that."
        )
    return found


def _with_event(event: str, act: Callable[[Connection, Event], T]) -> T:
    with _record() as engine:
        found = event_named(engine, event)
        with transaction(engine) as connection:
            return act(connection, found)


@contextmanager
def _record() -> Iterator[Engine]:
    engine = make_engine(Config.from_env(os.environ).database_url, application_name="onsale draw", pool_size=1)
    try:
        yield engine
    finally:
        engine.dispose()
