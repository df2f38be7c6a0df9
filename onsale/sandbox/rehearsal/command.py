"""`onsale rehearse`: a whole sale before the public comes; and `onsale tokens`, JWTs for a crowd from elsewhere."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from onsale.config import Config
from onsale.db import catalogue
from onsale.db.engine import make_engine, reading, transaction
from onsale.db.ids import EVENT_ID_MAX, EventId
from onsale.printing import out
from onsale.sandbox.rehearsal import asked, faults, guards, repeating, sale, terminal
from onsale.sandbox.rehearsal.faults import Faults
from onsale.sandbox.rehearsal.page import page
from onsale.sandbox.rehearsal.plan import BUYERS_MAX, Arrivals, Plan
from onsale.sandbox.rehearsal.rehearsal import Director, Rehearsed, Sale
from onsale.sandbox.rehearsal.slowness import SlowProvider
from onsale.sandbox.signals import StopAsked, StopSignals
from onsale.sandbox.visitor.buyer import Manners
from onsale.sandbox.visitor.habits import Shares

SEATS_MAX = 500_000
MANNERS = Manners(choose=(1.0, 5.0), pay=(1.0, 5.0), away=(10.0, 40.0))
F = TypeVar("F", bound=Callable[..., Any])


def _with(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """A decorator that adds these options, shown in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


# Who comes, and when.
CROWD = (
    click.option("--buyers", type=click.IntRange(1, BUYERS_MAX), default=500, show_default=True),
    click.option(
        "--arrivals",
        type=click.Choice([each.value for each in Arrivals]),
        default=Arrivals.ALL_AT_OPEN.value,
        show_default=True,
        help="All in one moment, ever more, or evenly at random.",
    ),
    click.option(
        "--arrive-seconds",
        type=asked.FiniteRange(1, 86_400),
        default=60.0,
        show_default=True,
        help="Over how long a ramp or Poisson crowd arrives.",
    ),
    click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same crowd again."),
    click.option(
        "--share",
        "shares",
        type=(str, float),
        multiple=True,
        callback=asked.shares,
        metavar="HABIT SHARE",
        help="How many do what, 0 to 1: " + ", ".join(each.name for each in dataclasses.fields(Shares)) + ".",
    ),
    click.option(
        "--shared-cache",
        is_flag=True,
        help="Put a CDN's cache between the crowd and the shop, as in production.",
    ),
    click.option(
        "--minutes",
        type=asked.FiniteRange(0.1, 600),
        default=15.0,
        show_default=True,
        help="So long buyers are waited for, here or with --url. What is held then still gets its time to run out, and "
        "a minute and a half.",
    ),
)
# What is on sale, on a stack of the rehearsal's own.
SALE = (
    click.option("--seats", type=click.IntRange(1, SEATS_MAX), default=1_000, show_default=True),
    click.option("--rate", default="600/min", show_default=True, help="Admissions: N/min or N/s."),
    click.option(
        "--max-active",
        type=click.IntRange(0, 1_000_000),
        default=0,
        show_default=True,
        help="How many may be inside at once; 0 is no limit.",
    ),
    click.option(
        "--mode",
        type=click.Choice(["fifo", "draw"]),
        default="fifo",
        show_default=True,
        help="First come, first served; or numbers are drawn: who comes before the opening has the same chance.",
    ),
    click.option(
        "--pre-queue-seconds",
        type=asked.FiniteRange(1, 86_400),
        default=20.0,
        show_default=True,
        help="With --mode draw: the sale opens so long after the first buyer came.",
    ),
    click.option("--pay-seconds", type=click.IntRange(1, 86_400), default=30, show_default=True),
    click.option(
        "--kill",
        "kills",
        multiple=True,
        callback=asked.kills,
        metavar="PROCESS@N",
        help="kill -9 it at the N-th booking: web, lane, payments, sweeps, admit, postgres, valkey. "
        "valkey-emptied comes back with nothing, valkey-older as it was three seconds before.",
    ),
    click.option(
        "--auto", is_flag=True, help="Let the rate follow checkout: fewer come in while payments cannot keep up."
    ),
    click.option(
        "--faults",
        callback=asked.faults,
        metavar="payments|slow-provider@FROMs..TOs",
        help="slow-provider@30s..60s: a bank ten times slower for a while. payments: a bank with a bad day: 2 % of its "
        "calls time out after their work, 2 % fail, 2 % of its webhooks are "
        "lost and 5 % come twice; 5 % of the cards are declined, 5 % want 3-D Secure.",
    ),
    click.option(
        "--without-guard",
        "without",
        multiple=True,
        type=click.Choice(list(guards.GUARDS)),
        help="Negative control: take a guard out, and see the verdict turn red.",
    ),
    click.option(
        "--standby", is_flag=True, help="PostgreSQL with a synchronous standby; killed, the standby takes over."
    ),
    click.option(
        "--keep",
        type=click.Path(file_okay=False, path_type=Path),
        callback=asked.not_an_option,
        help="Leave data and logs in this folder; it is made.",
    ),
)


@click.command("rehearse")
@_with(CROWD)
@_with(SALE)
@click.option(
    "--url",
    callback=asked.not_empty,
    help="Rehearse on this running Onsale instead of a stack of its own; needs --event.",
)
@click.option("--event", callback=asked.not_empty, help="Which event there: its id or slug.")
@click.option(
    "--tokens",
    "token_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JWTs for the crowd, one a line (`onsale tokens`); else everybody comes as a guest.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=asked.not_an_option,
    help="Write a page with charts, into a folder that is there.",
)
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=asked.earlier,
    help="The --json of an earlier one.",
)
def rehearse(**given: Any) -> None:
    """Rehearse a sale before the public comes: simulated buyers over HTTP, then an audit of the record.

    \b
    A stack of its own (PostgreSQL, Valkey, workers, simulated Stripe) in a temporary folder:
      onsale rehearse --buyers 2000 --seats 1000 --rate 6000/min
      onsale rehearse --kill web@100 --kill lane@200 --html report.html
      onsale rehearse --standby --kill postgres@150
    And with a bank that fails now and then, or is ten times slower for a while:
      onsale rehearse --faults payments
      onsale rehearse --auto --faults slow-provider@30s..60s --arrivals poisson --arrive-seconds 120
    Numbers drawn among who comes in twenty seconds, with latecomers, and its list checked at the end:
      onsale rehearse --mode draw --arrivals poisson --arrive-seconds 30
    The one that runs already (`onsale run` in another terminal):
      onsale rehearse --url http://127.0.0.1:8000 --event selling-now --buyers 100

    Exits with 1 when anything was lost, doubled, out of order or answered with an error.
    """
    asked.together(given)
    minted = asked.tokens_in(given["token_file"]) if given["token_file"] else []
    asked.writable(given["page"], given["keep"])
    live = terminal.Live()
    plan = _plan(given)
    with StopSignals() as signals:
        director = Director(
            plan,
            live.say,
            live.show,
            settings=guards.settings_without(given["without"]),
            sabotage=guards.statements_without(given["without"]),
            hurried=signals.hurried,
        )
        try:
            rehearsed = _rehearsed(director, given, minted)
        except StopAsked:
            raise click.ClickException("Stopped before the end; there is no result.") from None
    tell(rehearsed, given)
    if not rehearsed.results.ok:
        raise SystemExit(1)


@click.command("tokens")
@click.option("-n", "how_many", type=click.IntRange(1, sale.TOKENS_MAX), default=1, show_default=True)
def tokens(how_many: int) -> None:
    """Mint JWTs of new guests, one a line, for `onsale rehearse --tokens` and other load generators.

    They open what any guest can open, for thirty days.
    """
    config = Config.from_env(os.environ)
    engine = make_engine(config.database_url, application_name="onsale tokens", pool_size=1)
    try:
        with transaction(engine) as connection:
            minted = sale.mint(connection, config, how_many, now=datetime.now(UTC))
    finally:
        engine.dispose()
    out("\n".join(minted))


def _plan(given: dict[str, Any]) -> Plan:
    return Plan(
        buyers=given["buyers"],
        arrivals=Arrivals(given["arrivals"]),
        arrive_seconds=given["arrive_seconds"],
        seed=given["seed"],
        shares=faults.crowd(given["shares"]) if given["faults"] is Faults.PAYMENTS else given["shares"],
        manners=MANNERS,
        shared_cache=given["shared_cache"],
        kills=given["kills"],
        faults=Faults.PAYMENTS if given["faults"] is Faults.PAYMENTS else None,
        slow=given["faults"] if isinstance(given["faults"], SlowProvider) else None,
        seconds_max=given["minutes"] * 60,
    )


def _rehearsed(director: Director, given: dict[str, Any], minted: Sequence[str]) -> Rehearsed:
    if given["url"] is None:
        planned = Sale(
            seats=given["seats"],
            rate_per_minute=rate_per_minute(given["rate"]),
            max_active=given["max_active"],
            pay_seconds=given["pay_seconds"],
            auto=given["auto"],
            draw_after_seconds=given["pre_queue_seconds"] if given["mode"] == "draw" else None,
        )
        return director.on_a_stack_of_its_own(planned, folder=given["keep"], standby=given["standby"])
    url = given["url"].rstrip("/")
    # The record is audited where the settings in force are those of the shop rehearsed.
    config = Config.from_env(os.environ) if os.environ.get("ONSALE_PUBLIC_URL") == url else None
    event_id = event_of(given["event"], config)
    return director.on_a_running_shop(url, event_id, tokens=minted, config=config)


def event_of(name: str, config: Config | None) -> EventId:
    """The event of an id or, where there is a record to ask, a slug; a UsageError says what is wrong."""
    if config is None:
        if name.isascii() and name.isdecimal() and 0 < int(name) <= EVENT_ID_MAX:
            return EventId(int(name))
        raise click.UsageError("--event wants the event's number: the record of that shop cannot be asked from here.")
    engine = make_engine(config.database_url, application_name="onsale rehearse", pool_size=1)
    try:
        with reading(engine) as connection:
            found = catalogue.event_named(connection, name)
    finally:
        engine.dispose()
    if found is None:
        raise click.UsageError(f"There is no event {name!r} there.")
    return found.id


def rate_per_minute(text: str) -> int:
    """`6000/min`, `100/s`, or a plain number a minute."""
    number, _, unit = text.partition("/")
    times = {"": 1, "min": 1, "m": 1, "s": 60, "sec": 60}.get(unit)
    if times is None or not (number.isascii() and number.isdecimal()) or not 0 < int(number) * times <= 600_000:
        raise click.BadParameter(f"{text!r}: wants admissions such as 600/min or 10/s", param_hint="--rate")
    return int(number) * times


def tell(rehearsed: Rehearsed, given: dict[str, Any]) -> None:
    """Say what came of it, in every way that was asked for."""
    document = rehearsed.results.as_json()
    if given["page"]:
        _write(page(rehearsed, rehearsed_at=datetime.now(UTC), command=repeating.command_line(given)), given["page"])
    if given["as_json"]:
        out(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        out(terminal.report(rehearsed.results))
    if given["compare"] is not None:
        said = terminal.compared(rehearsed.results, given["compare"])
        click.echo(said, err=True) if given["as_json"] else out(said)


def _write(text: str, file: Path) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        # What came of the rehearsal is still to be told.
        click.echo(f"  {file} could not be written: {error.strerror}.", err=True)
        return
    click.echo(f"  The page with charts is at {file.resolve()}", err=True)
