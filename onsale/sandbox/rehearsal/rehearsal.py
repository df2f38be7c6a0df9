"""One rehearsal from end to end: on a fresh stack of its own, or against a shop that runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from onsale.config import Config
from onsale.db import queue_settings
from onsale.db.engine import make_engine, migrate, reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueChange
from onsale.errors import QueueRecovering, QueueUnavailable
from onsale.queue.client import connect
from onsale.queue.store import QueueStore
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.pair import PostgresPair
from onsale.sandbox.ports import free_port
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.rehearsal import faults, leftovers, sale
from onsale.sandbox.rehearsal.audit import Audit, audit
from onsale.sandbox.rehearsal.conducting import Conducted, Conductor
from onsale.sandbox.rehearsal.drawing import Lottery, pre_queue
from onsale.sandbox.rehearsal.house import sections_of
from onsale.sandbox.rehearsal.journal import Progress
from onsale.sandbox.rehearsal.plan import Plan
from onsale.sandbox.rehearsal.results import Results, results
from onsale.sandbox.rehearsal.slowness import SlowBank
from onsale.sandbox.rehearsal.watching import Sample, status_at
from onsale.sandbox.stack import Stack
from onsale.verify.deployment import verify_with

FOLDER_PREFIX = "onsale-rehearsal-"
OPEN_SECONDS_MAX = 30
# A hold nobody pays for runs out, and the sweep and a killed worker's leases take their time.
SETTLE_SECONDS_MORE = 90.0
# A simulator on the same machine is no bank: payments are not what is being rehearsed, unless told otherwise.
OWN_SETTINGS = {"ONSALE_PAYMENT_RATE_PER_SECOND": "1000", "ONSALE_LOG_FORMAT": "json"}


@dataclass(frozen=True)
class Sale:
    """What is on sale in a rehearsal of one's own; seconds are what buyers get to enter, to choose and to pay."""

    seats: int = 1_000
    rate_per_minute: int = 600
    max_active: int = 0
    enter_seconds: int = 20
    choose_seconds: int = 30
    pay_seconds: int = 30
    # Whether the rate follows checkout.
    auto: bool = False
    # For so long people come to a pre-queue whose numbers are drawn; None: first come, first served.
    draw_after_seconds: float | None = None


@dataclass(frozen=True)
class Rehearsed:
    """What happened, and what to make of it."""

    plan: Plan
    conducted: Conducted
    results: Results


@dataclass
class Director:
    """What both kinds of rehearsal need: whom to tell, and what the stack is given on top."""

    plan: Plan
    say: Callable[[str], None]
    show: Callable[[Progress, Sample | None], None]
    settings: Mapping[str, str] = field(default_factory=dict)
    # Statements run on the record before the doors open: a negative control takes a guard out.
    sabotage: Sequence[str] = ()
    hurried: Callable[[], bool] = lambda: False
    # How much longer than a buyer's own time the shop may take to end every booking.
    settle_seconds: float = SETTLE_SECONDS_MORE

    def on_a_stack_of_its_own(self, planned: Sale, *, folder: Path | None = None, standby: bool = False) -> Rehearsed:
        """Start a whole Onsale in the folder (a temporary one, else), rehearse, and stop it again."""
        if folder is None:
            leftovers.remove(Path(tempfile.gettempdir()), prefix=FOLDER_PREFIX)
            with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as made:
                return self.on_a_stack_of_its_own(planned, folder=Path(made), standby=standby)
        given = {"ONSALE_WEB_PORT": str(free_port()), **OWN_SETTINGS, **self.settings}
        postgres = PostgresPair if standby else EmbeddedPostgres
        with Stack(folder, self.say, given, hurried=self.hurried, postgres=postgres) as stack:
            stack.start_parts()
            config = Config.from_env(stack.settings)
            migrate(config.database_url)
            engine = make_engine(config.database_url, application_name="onsale rehearsal")
            try:
                return self._on(stack, config, engine, planned)
            finally:
                engine.dispose()

    def _on(self, stack: Stack, config: Config, engine: Engine, planned: Sale) -> Rehearsed:
        change = sale.queue_change(
            rate_per_minute=planned.rate_per_minute,
            max_active=planned.max_active,
            seconds=(planned.enter_seconds, planned.choose_seconds, planned.pay_seconds),
            now=datetime.now(UTC),
        )
        with transaction(engine) as connection:
            for statement in self.sabotage:
                connection.execute(text(statement))
        event_id, tokens = open_doors(
            stack,
            config,
            engine,
            seats=planned.seats,
            buyers=self.plan.buyers,
            change=change,
            auto=planned.auto,
            draw=planned.draw_after_seconds is not None,
        )
        settle = planned.pay_seconds + planned.choose_seconds + self.settle_seconds
        conductor = Conductor(
            self.plan, config.public_url, event_id, tokens, self.show, stack=stack, engine=engine, say=self.say
        )
        if self.plan.faults:
            faults.begin(config, seed=self.plan.seed)
        if self.plan.slow:
            bank = SlowBank(self.plan.slow, lambda delay_ms: faults.slow_down(config, delay_ms))
            bank.look(0)
            conductor.passing.append(bank.look)
        lottery = Lottery(engine, event_id, planned.draw_after_seconds)
        conductor.passing.append(lottery.look)
        conducted = conductor.run(settle_seconds=settle)
        if self.plan.faults:
            conducted = replace(conducted, faults=faults.happened(config))
        self.say("Checking the record")
        found = lottery.checked(_audited(config, engine, event_id, conducted))
        summary = results(self.plan, conducted, found, rate=planned.rate_per_minute, seats=planned.seats)
        return Rehearsed(self.plan, conducted, summary)

    def on_a_running_shop(
        self, url: str, event_id: EventId, *, tokens: Sequence[str], config: Config | None
    ) -> Rehearsed:
        """Send the crowd to a shop that runs; with its `config` the record is audited afterwards, else it cannot be."""
        status = status_at(f"{url}/v1/events/{event_id}/queue")
        if not status:
            raise PartFailed(f"{url} does not tell how the queue of event {event_id} stands.")
        engine = make_engine(config.database_url, application_name="onsale rehearsal") if config else None
        conductor = Conductor(self.plan, url, event_id, tokens, self.show, engine=engine, say=self.say)
        try:
            conducted = conductor.run(settle_seconds=self.settle_seconds + _pay_seconds(engine, event_id))
            found = _audited(config, engine, event_id, conducted) if config and engine else Audit()
        finally:
            if engine is not None:
                engine.dispose()
        rate = int(status["rate_per_minute"])
        return Rehearsed(self.plan, conducted, results(self.plan, conducted, found, rate=rate, seats=None))


def _audited(config: Config, engine: Engine, event_id: EventId, conducted: Conducted) -> Audit:
    return audit(engine, event_id, conducted.journal.visits, verify_with(config, engine, event_id))


def open_doors(
    stack: Stack,
    config: Config,
    engine: Engine,
    *,
    seats: int,
    buyers: int,
    change: QueueChange,
    auto: bool = False,
    draw: bool = False,
) -> tuple[EventId, list[str]]:
    """Put an event on sale where the parts run, start the rest, wait for its queue; the event and its buyers' JWTs."""
    now = datetime.now(UTC)
    change = pre_queue(change, now=now) if draw else change
    with transaction(engine) as connection:
        event_id = sale.put_on_sale(connection, sections_of(seats), change=change, now=now)
        if draw:
            Lottery.announce(connection, event_id)
        if auto:
            sale.follow_checkout(connection, event_id, ceiling=change.rate_per_minute or 0)
        tokens = sale.mint(connection, config, buyers, now=now)
    stack.say(f"Event {event_id}: {seats} tickets, {buyers} buyers")
    stack.start_lines()
    stack.wait_until_ready()
    _wait_until_open(config, event_id, stack)
    return event_id, tokens


def _wait_until_open(config: Config, event_id: EventId, stack: Stack) -> None:
    """The queue has its settings and numbers to give out: `onsale admit` has been there."""
    client = connect(config.queue_url)
    store = QueueStore(client)

    def is_open() -> bool:
        stack.look()
        with suppress(QueueRecovering, QueueUnavailable):
            state = store.snapshot(event_id)
            return bool(state.block_end) and not state.recovering
        return False

    try:
        if not poll(is_open, seconds=OPEN_SECONDS_MAX):
            raise PartFailed(f"The queue of event {event_id} did not open within {OPEN_SECONDS_MAX} s.")
    finally:
        client.close()


def _pay_seconds(engine: Engine | None, event_id: EventId) -> float:
    """What a hold has, as the record says."""
    if engine is None:
        return 0.0
    with reading(engine) as connection:
        found = queue_settings.get(connection, event_id)
    return float(found.pay_seconds) if found else 0.0
