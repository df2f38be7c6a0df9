"""`onsale waits EVENT`: how often the waits that buyers were told came true."""

from __future__ import annotations

import os
from dataclasses import asdict

import click
import orjson

from onsale.cli.verify import event_named
from onsale.config import Config
from onsale.db.engine import make_engine
from onsale.printing import out
from onsale.queue.calibration import Calibration
from onsale.web.waits import how_they_held


@click.command("waits")
@click.argument("event")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def waits(event: str, as_json: bool) -> None:
    """Say how often the waits told to the buyers of EVENT (its id or slug) held.

    Each buyer is told a band, meant to hold nine times in ten. From the record: what the status told every 15 seconds,
    and when the numbers were called. A band that was withdrawn with a published reason counts as neither.
    """
    config = Config.from_env(os.environ)
    engine = make_engine(config.database_url, application_name="onsale waits", pool_size=1)
    try:
        found = event_named(engine, event)
        held = how_they_held(engine, found.id)
    finally:
        engine.dispose()
    if as_json:
        document = {"event_id": found.id, **asdict(held), "held_percent": held.held_percent}
        out(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        out(table(held, found.name))


def table(held: Calibration, name: str) -> str:
    """The numbers for a person."""
    if not held.told:
        return (
            f"{name}: no wait was told yet. `onsale admit` writes one down every 15 seconds while people wait "
            "in a queue that is open or about to open."
        )
    percent = "not known yet" if held.held_percent is None else f"{held.held_percent} %"
    rows = (
        ("held", held.held, "the turn came inside the band"),
        ("sooner", held.sooner, "it came before"),
        ("later", held.later, "it came after, and nothing was said"),
        ("withdrawn", held.withdrawn, "a reason was published before the turn came"),
        ("open", held.open, "the turn has not come yet"),
        ("not told", held.unknown, "nobody could know (paused, or no ticket was sure to be left)"),
    )
    lines = [f"{name}: the band held {percent} of the time ({held.told} bands looked at)", ""]
    lines += [f"  {word:<10} {count:>8}  {says}" for word, count, says in rows]
    return "\n".join([*lines, "", f"  {held.wide} of them were wider than a factor of two."])
