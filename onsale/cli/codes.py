"""`onsale codes`: an event's codes from a terminal, as lines that a spreadsheet reads."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from onsale.config import Config
from onsale.db import catalogue, code_payable
from onsale.db import codes as record
from onsale.db.catalogue import Event
from onsale.db.code_rules import CodeKind, normalised
from onsale.db.codes import KnownCode, NewCode
from onsale.db.engine import make_engine, transaction

ACTOR = "onsale codes"
MOMENT = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"])
COLUMNS = ("code", "kind", "amount_minor", "percent_bp", "used", "uses_max", "off", "note", "weight")


@click.group("codes")
def codes() -> None:
    """Make the codes of an event, list them with their uses, and switch one off or on again.

    EVENT is its number, or its name in addresses.
    """


@codes.command("make")
@click.argument("event")
@click.option("--kind", type=click.Choice([each.value for each in CodeKind]), required=True, help="What it does.")
@click.option("--code", help="The code itself; left out: random.")
@click.option(
    "--count", type=click.IntRange(1, record.MADE_AT_ONCE_MAX), default=1, show_default=True, help="How many."
)
@click.option("--amount-minor", type=int, default=0, help="For `amount`: off the booking, in minor units.")
@click.option("--percent-bp", type=int, default=0, help="For `percent`: off each ticket, in hundredths of a per cent.")
@click.option("--presale-from", type=MOMENT, help="For `early`: from when on it books, in UTC.")
@click.option("--weight", type=int, default=1, help="For `priority`: how often the entry in the draw counts, 2 to 100.")
@click.option("--section", "sections", type=int, multiple=True, help="Only for tickets there; more than once for more.")
@click.option("--uses-max", type=int, help="Uses of each at most; 1 is single use.")
@click.option("--uses-per-buyer", type=int, help="Of these by one buyer.")
@click.option("--valid-from", type=MOMENT, help="In UTC.")
@click.option("--valid-until", type=MOMENT, help="In UTC.")
@click.option("--stackable", is_flag=True, help="May go with another code that takes something off.")
@click.option("--note", default="", help="Who gets them.")
def make(event: str, kind: str, code: str | None, count: int, sections: tuple[int, ...], **given: object) -> None:
    """Make one code, or many random ones, and print them.

    For example: onsale codes make 7 --kind percent --percent-bp 1000 --uses-max 1 --count 500 --note radio
    """
    chosen = normalised(code) if code else None
    if code and (chosen is None or count > 1):
        raise click.BadParameter("is one code of 3 to 32 letters and digits", param_hint="--code")
    moments = {name: at.replace(tzinfo=UTC) for name, at in given.items() if isinstance(at, datetime)}
    new = NewCode(**{"kind": CodeKind(kind), "section_ids": sections or None, **given, **moments})  # type: ignore[arg-type]  # By the options' own types.
    with _event(event) as (connection, found):
        made = record.make(connection, found.id, new, [chosen] if chosen else record.random_codes(count), actor=ACTOR)
        warning = code_payable.warning(connection, found, record.rules_of(new))
    _print(made)
    if warning:
        click.echo(warning, err=True)


@codes.command("list")
@click.argument("event")
def listed(event: str) -> None:
    """List the codes of an event, newest first, with how often each is used."""
    with _event(event) as (connection, found):
        _print(record.all_of_event(connection, found.id))


@codes.command("off")
@click.argument("event")
@click.argument("code")
def off(event: str, code: str) -> None:
    """Switch a code off. What is held with it stays held."""
    _switch(event, code, off=True)


@codes.command("on")
@click.argument("event")
@click.argument("code")
def on(event: str, code: str) -> None:
    """Switch a code on again."""
    _switch(event, code, off=False)


def _switch(event: str, code: str, *, off: bool) -> None:
    with _event(event) as (connection, found):
        known = record.by_text(connection, found.id, normalised(code) or "")
        if known is None:
            raise click.ClickException(f"{found.name} has no code {code}. See `onsale codes list {event}`.")
        record.switch(connection, found.id, known.id, off=off, actor=ACTOR)
    click.echo(f"{known.code} is {'off' if off else 'on'}.")


@contextmanager
def _event(named: str) -> Iterator[tuple[Connection, Event]]:
    engine = make_engine(Config.from_env(os.environ).database_url, application_name="onsale codes")
    try:
        with transaction(engine) as connection:
            found = catalogue.event_named(connection, named)
            if found is None:
                raise click.ClickException(f"There is no event {named}. Give its number, or its name in addresses.")
            yield connection, found
    finally:
        engine.dispose()


def _print(found: Iterable[KnownCode]) -> None:
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(COLUMNS)
    for code in found:
        lines.writerow([getattr(code, name) for name in COLUMNS])
