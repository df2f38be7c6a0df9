"""Runs every rule on one event, in one snapshot of the record, and says which hold.

It may run during a sale: what is on its way is no violation, and everything read of the record is read in one
repeatable-read transaction. Copies and the provider's ledger are asked after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.errors import ProviderUnavailable
from onsale.payments.ledger import Ledger
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TicketCache
from onsale.verify import admissions, copies, money, order, sql
from onsale.verify.admissions import RateChange, Rates, Run
from onsale.verify.order import QueuedBooking

EXAMPLES_MAX = 20
# Beyond so many violations of one rule nobody counts on.
COUNTED_MAX = 10_000
# A booking that nothing is wrong with may be undecided for so long (a worker was killed, its wake-up is sent again),
# a hold over its time (the sweep), a payment (the provider is asked for a minute first), a capture (the reconciler).
GRACES = {"decide_seconds": 60, "sweep_seconds": 15, "pay_seconds": 90, "settle_seconds": 120}
# A booking is paid after it is made; clocks differ.
LEDGER_MARGIN = timedelta(minutes=5)
# How long record and ledger may differ before it is a finding.
MONEY_SECONDS_MAX = 10.0
MONEY_LOOK_SECONDS = 1.0

SAYS = {
    "I1": "A ticket is sold to one buyer; held and sold are never more than there are",
    "I2": "Every captured payment has its tickets or a refund, amounts equal, taken once",
    "I3": "Every accepted booking has ended, or is younger than its deadline",
    "I4": "One booking per buyer and Idempotency-Key",
    "I5": "Nobody was overtaken: bookings were decided, and people let in, in the order of their numbers",
    "I6": "Nobody was let in above the rate, and one admission gave one hold",
    "I7": "No ticket is out of sale for nothing or past its time, none was let go early",
    "I8": "The price charged is the price at the hold",
    "I9": "No buyer has more tickets than one may",
    "I10": "Queue, cache and search say what the record says",
    "I11": "A ticket is accepted once at the door",
    "I12": "Histories are whole, legal, and lead to where each booking is",
}
RULES = {
    "I1": ("i1_one_sale", "i1_capacity", "i1_guard"),
    "I2": ("i2_money_on_record",),
    "I3": ("i3_every_booking_ends",),
    "I4": ("i4_one_booking_per_key",),
    "I6": ("i6_one_hold_per_admission",),
    "I7": ("i7_nothing_out_of_sale_for_nothing",),
    "I8": ("i8_price_at_hold",),
    "I9": ("i9_limit_per_buyer",),
    "I10": ("i10_search",),
    "I12": ("i12_histories_replay", "i12_guard"),
}


@dataclass(frozen=True)
class Copies:
    """Where the record is copied to."""

    store: QueueStore
    tickets: TicketCache


@dataclass(frozen=True)
class Finding:
    """One invariant: whether it holds (None: it could not be checked, `note` says why) and what breaks it."""

    invariant: str
    says: str
    ok: bool | None
    count: int = 0
    examples: tuple[str, ...] = ()
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """All of them, and the sale in numbers."""

    event_id: EventId
    findings: tuple[Finding, ...]
    numbers: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether every invariant was checked and holds."""
        return all(finding.ok for finding in self.findings)


def verify(engine: Engine, event_id: EventId, *, ledger: Ledger | None, copies_at: Copies | None) -> Verdict:
    """Check everything. Without a ledger the provider's side of I2 is not checked, without copies I10 is not.

    Raises RecordUnavailable (through the engine) when the record does not answer.
    """
    audit = _Audit(event_id)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        numbers = dict(connection.execute(sql.load("numbers"), {"event_id": event_id}).mappings().one())
        for invariant in ("I1", "I2", "I3", "I4", "I6", "I7", "I8", "I9", "I10", "I12"):
            with audit.timed(invariant):
                for rule in RULES[invariant]:
                    audit.add(invariant, _violations(connection, rule, event_id))
        numbers |= audit.order_and_rate(connection, numbers["rate_per_minute"])
    numbers["lost_bookings"] = audit.counted["I3"]
    with audit.timed("I2"):
        audit.compare_money(engine, ledger)
    with audit.timed("I10"):
        audit.compare_copies(engine, copies_at)
    audit.notes["I11"] = "No ticket was presented at a door."
    return Verdict(event_id, tuple(audit.finding(invariant) for invariant in SAYS), numbers)


@dataclass
class _Audit:
    """What is known so far, by invariant."""

    event_id: EventId
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SAYS, 0))
    examples: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SAYS})
    notes: dict[str, str] = field(default_factory=dict)
    unchecked: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SAYS, 0.0))

    @contextmanager
    def timed(self, invariant: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[invariant] += time.monotonic() - began

    def add(self, invariant: str, found: Sequence[str]) -> None:
        self.counted[invariant] += len(found)
        self.examples[invariant] += found[: EXAMPLES_MAX - len(self.examples[invariant])]

    def finding(self, invariant: str) -> Finding:
        count = self.counted[invariant]
        ok = False if count else None if invariant in self.unchecked else True
        examples, note = tuple(self.examples[invariant]), self.notes.get(invariant, "")
        return Finding(invariant, SAYS[invariant], ok, count, examples, note, round(self.seconds[invariant], 3))

    def order_and_rate(self, connection: Connection, rate_now: int | None) -> dict[str, Any]:
        """I5 and the rate's part of I6, which are more than a query."""
        arguments = {"event_id": self.event_id}
        with self.timed("I5"):
            rows = connection.execute(sql.load("decisions"), arguments).tuples()
            overtaken = order.inversions(QueuedBooking(*row) for row in rows)
            self.add("I5", [f"booking {one.later} was decided before {one.earlier}" for one in overtaken])
            runs = [Run(*row) for row in connection.execute(sql.load("admissions"), arguments).tuples()]
            wrong = admissions.out_of_order(runs)
            self.add("I5", [f"run {run.seq} called numbers {run.first} to {run.last} again" for run in wrong])
        with self.timed("I6"):
            changes = [RateChange(*row) for row in connection.execute(sql.load("rates"), arguments).tuples()]
            rates = Rates.of(changes, rate_now or 0)
            over = admissions.over_the_rate(runs, rates)
            self.add("I6", [f"run {run.seq} let in {run.admitted} above the rate" for run in over])
        return {"inversions": len(overtaken), "rate_error": admissions.rate_error(runs, rates)}

    def compare_money(self, engine: Engine, ledger: Ledger | None) -> None:
        if ledger is None:
            self._not_checked("I2", "The provider's ledger was not asked.")
            return
        deadline = time.monotonic() + MONEY_SECONDS_MAX
        try:
            # A payment that goes on between the two readings differs for a moment.
            while (found := _money(engine, self.event_id, ledger)) and time.monotonic() < deadline:
                time.sleep(MONEY_LOOK_SECONDS)
        except ProviderUnavailable as error:
            self._not_checked("I2", str(error))
        else:
            self.add("I2", found)

    def compare_copies(self, engine: Engine, copies_at: Copies | None) -> None:
        if copies_at is None:
            self._not_checked("I10", "The copies were not asked.")
        else:
            self.add("I10", copies.differences(engine, self.event_id, copies_at.store, copies_at.tickets))

    def _not_checked(self, invariant: str, why: str) -> None:
        self.unchecked.add(invariant)
        self.notes[invariant] = why


def _violations(connection: Connection, rule: str, event_id: EventId) -> list[str]:
    found = connection.execute(sql.load(rule), {"event_id": event_id, **GRACES})
    return [str(what) for what in found.scalars().fetchmany(COUNTED_MAX)]


def _money(engine: Engine, event_id: EventId, ledger: Ledger) -> list[str]:
    """The record's payments against the provider's, from the event's first booking on."""
    with reading(engine) as connection:
        rows = connection.execute(sql.load("captured"), {"event_id": event_id}).tuples()
        recorded = [money.Payment(*row) for row in rows]
        since: datetime | None = connection.execute(_FIRST_BOOKING, {"event_id": event_id}).scalar_one()
    return money.differences(event_id, recorded, ledger, since=since - LEDGER_MARGIN) if since else []


_FIRST_BOOKING = text("SELECT min(created_at) FROM bookings WHERE event_id = :event_id")
