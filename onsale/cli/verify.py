"""`onsale verify EVENT`: what must hold, checked on the record, the provider's ledger and the copies."""

from __future__ import annotations

import os
from dataclasses import asdict
from textwrap import wrap

import click
import orjson
from sqlalchemy import Engine

from onsale.config import Config
from onsale.db import catalogue
from onsale.db.catalogue import Event
from onsale.db.engine import make_engine, reading
from onsale.printing import out
from onsale.verify.deployment import verify_with
from onsale.verify.verdict import Finding, Verdict

WORDS = {True: "holds", False: "BROKEN", None: "not checked"}
EXAMPLES_SHOWN = 5
WIDTH = 100
DO = {
    "I1": "Two people may hold one ticket: refund one of them; the bookings are named above. A missing index: migrate.",
    "I2": "Somebody paid without tickets, or has tickets unpaid: look each payment up at the provider.",
    "I3": "See that the workers and the sweep run (`onsale doctor`); a booking that stays is a bug.",
    "I4": "A request was answered twice: see which of the bookings its buyer wants. A missing constraint: migrate.",
    "I5": "The order was broken: keep the record and the logs, this is a bug.",
    "I6": "Too many were let in, or a token was used twice: keep the record and the logs, this is a bug.",
    "I7": "See that the sweep runs (`onsale doctor`); until then these tickets cannot be bought.",
    "I8": "Somebody pays another price than they were shown: give the difference back, or change the price back.",
    "I9": "Refund what is too much, or allow more for this event.",
    "I10": "See that `onsale admit` and `onsale changes run` run; a wrong cache is emptied without harm, "
    "a wrong index made anew (`onsale index rebuild`).",
    "I12": "The record was changed by hand or by another program: keep it and the logs. A missing trigger: migrate.",
}


@click.command("verify")
@click.argument("event")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "--without-ledger", is_flag=True, help="Do not ask the payment provider; I2 then covers the record alone."
)
def verify_command(event: str, as_json: bool, without_ledger: bool) -> None:
    """Check what must hold on the record of EVENT (its id or slug), during a sale or after it.

    Exits with 1 when an invariant is broken, or could not be checked.
    """
    config = Config.from_env(os.environ)
    engine = make_engine(config.database_url, application_name="onsale verify", pool_size=1)
    try:
        found = event_named(engine, event)
        verdict = verify_with(config, engine, found.id, ledger=not without_ledger)
    finally:
        engine.dispose()
    if as_json:
        out(orjson.dumps(as_document(verdict), option=orjson.OPT_INDENT_2).decode())
    else:
        out(table(verdict, found.name))
    forgiven = {"I2"} if without_ledger else set()
    if any(
        not finding.ok and not (finding.ok is None and finding.invariant in forgiven) for finding in verdict.findings
    ):
        raise SystemExit(1)


def event_named(engine: Engine, name: str) -> Event:
    """The event of an id or a slug; a ClickException for one that is not there."""
    with reading(engine) as connection:
        found = catalogue.event_named(connection, name)
    if found is None:
        raise click.ClickException(
            f"There is no event {name!r}. Its id is in its address; `onsale config` says which record."
        )
    return found


def as_document(verdict: Verdict) -> dict[str, object]:
    """The verdict for `--json`."""
    return {
        "event_id": verdict.event_id,
        "ok": verdict.ok,
        "numbers": dict(verdict.numbers),
        "invariants": [asdict(finding) for finding in verdict.findings],
    }


def table(verdict: Verdict, name: str) -> str:
    """The verdict for a person: a line per invariant, and below a broken one what breaks it and what to do."""
    numbers = verdict.numbers
    lines = [
        f"Event {verdict.event_id}, {name}: {numbers['sold']} of {numbers['tickets']} tickets sold, "
        f"{numbers['bookings']} bookings, {numbers['captured']} captures, {numbers['admitted']} let in",
        "",
    ]
    for finding in verdict.findings:
        lines += _lines(finding)
    broken = sum(finding.ok is False for finding in verdict.findings)
    unchecked = sum(finding.ok is None for finding in verdict.findings)
    said = [f"{broken} broken"] * bool(broken) + [f"{unchecked} not checked"] * bool(unchecked)
    return "\n".join([*lines, "", f"{', '.join(said) if said else 'Everything holds'}."])


def _lines(finding: Finding) -> list[str]:
    lines = [f"{finding.invariant:<4} {WORDS[finding.ok]:<12} {finding.says}"]
    lines += [f"{'':<18}{each}" for each in wrap(finding.note, WIDTH - 18)]
    if finding.ok is False:
        lines += [f"{'':<18}- {each}" for each in finding.examples[:EXAMPLES_SHOWN]]
        if finding.count > EXAMPLES_SHOWN:
            lines.append(f"{'':<18}  and {finding.count - EXAMPLES_SHOWN} more; --json lists {len(finding.examples)}")
        if finding.invariant in DO:
            lines.append(f"{'':<18}{DO[finding.invariant]}")
    return lines
