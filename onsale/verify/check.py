"""Runs every rule on one event, in one snapshot of the record, and says which hold.

It may run during a sale: what is on its way is no violation, and everything read of the record is read in one
repeatable-read transaction. Copies and the provider's ledger are asked after it, and given time to agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, text

from onsale.db import stuck
from onsale.db.engine import reading, transaction
from onsale.db.holds import EXTENSIONS_MAX
from onsale.db.ids import EventId
from onsale.db.states import ENDED, FIRST, LEGAL_MOVES, NEW
from onsale.errors import ProviderUnavailable
from onsale.payments.ledger import Ledger
from onsale.verify import admissions, chain, copies, discounts, drawn, gaps, money, order, sql
from onsale.verify.admissions import Run
from onsale.verify.copies import Copies
from onsale.verify.findings import Findings
from onsale.verify.gaps import Mark
from onsale.verify.order import QueuedBooking
from onsale.verify.rates import Dials, Held, Rates, Turned
from onsale.verify.verdict import Verdict

# Beyond so many violations of one rule nobody counts on.
COUNTED_MAX = 10_000
ROWS_AT_ONCE = 1_000
# What is stuck raises an alarm by the same limits (db/stuck.py). A hold may be over its time until the sweep comes, and
# what the queue did is written down within a second or two.
GRACES = {
    "decide_seconds": stuck.DECIDE_SECONDS,
    "sweep_seconds": 15,
    "pay_seconds": stuck.PAY_SECONDS,
    "settle_seconds": stuck.SETTLE_SECONDS,
    "journal_seconds": 15,
}
# `skew_seconds`: Redis' clock against the record's, and after a failover against its own.
LIMITS = {"extensions_max": EXTENSIONS_MAX, "skew_seconds": 10}
# The provider's clock is not ours.
LEDGER_MARGIN = timedelta(minutes=5)
# How long a copy or the ledger may differ from the record before it is a finding (I10).
AGREE_SECONDS_MAX = 10.0

RULES = {
    "I1": ("i1_one_sale", "i1_one_place", "i1_capacity", "i1_guard"),
    "I2": ("i2_money_on_record", "i2_refunds"),
    "I3": ("i3_every_booking_ends",),
    "I4": ("i4_one_booking_per_key",),
    "I5": ("i5_provable", "i5_nobody_before_their_turn", "i5_numbers_as_joined", "i5_joins", "i5_waiting_list"),
    "I6": ("i6_one_hold_per_admission", "i6_set_as_logged", "i6_held_as_logged"),
    "I7": ("i7_nothing_out_of_sale_for_nothing",),
    "I8": ("i8_price_at_hold", "i8_terms_at_hold"),
    "I9": ("i9_limit_per_buyer", "i9_limit_per_card", "i9_limit_per_address", "i9_code_uses"),
    "I10": ("i10_search",),
    "I11": ("i11_accepted_once",),
    "I12": ("i12_histories_replay", "i12_guard"),
}
LOOKED_AT = {
    "I1": "{tickets:,} tickets, {sold:,} sold and {held:,} held",
    "I2": "{confirmed:,} paid bookings, {captured:,} captures, {refunds:,} refunds",
    "I3": "{bookings:,} bookings, {ended:,} of them ended",
    "I4": "{bookings:,} bookings",
    "I5": "{decided:,} decisions, {runs:,} runs of the queue, {joins:,} joins in its journal",
    "I6": "{admitted:,} people let in by {runs:,} runs",
    "I7": "{taken:,} tickets taken, {sold:,} sold and {held:,} held now",
    "I8": "{taken:,} tickets taken",
    "I9": "{buyers:,} buyers",
    "I10": "search",
    "I11": "{let_in:,} tickets accepted",
    "I12": "{moves:,} moves of {bookings:,} bookings",
}


def verify(
    engine: Engine,
    event_id: EventId,
    *,
    ledger: Ledger | None,
    copies_at: Copies | None,
    agree_seconds: float = AGREE_SECONDS_MAX,
) -> Verdict:
    """Check everything. Without a ledger the provider's side of I2 is not checked, without copies I10 is not.

    What is outside the record gets `agree_seconds` to agree with it. Raises RecordUnavailable when the record does not
    answer.
    """
    findings = Findings()
    with transaction(engine) as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        numbers = _on_record(connection, event_id, findings)
    with findings.timed("I2"):
        numbers |= _compare_money(engine, event_id, ledger, findings, agree_seconds)
    with findings.timed("I10"):
        _compare_copies(engine, event_id, copies_at, findings, agree_seconds)
    return Verdict(event_id, findings.all(), numbers)


def _on_record(connection: Connection, event_id: EventId, findings: Findings) -> dict[str, Any]:
    """Everything the record alone can tell, and the sale in numbers."""
    asked = {"event_id": event_id, "ended": [state.value for state in ENDED]}
    numbers: dict[str, Any] = dict(connection.execute(sql.load("numbers"), asked).mappings().one())
    for invariant, what in LOOKED_AT.items():
        findings.note(invariant, what.format_map(numbers))
    for invariant, rules in RULES.items():
        with findings.timed(invariant):
            for rule in rules:
                findings.add(invariant, _violations(connection, rule, event_id))
    with findings.timed("I12"):
        findings.add("I12", _moves_of_another_table(connection, event_id))
        _check_chain(connection, event_id, findings)
    with findings.timed("I8"):
        bills = connection.execute(sql.load("i8_bills"), {"event_id": event_id})
        findings.add("I8", money.wrong_bills(money.Billed(*row) for row in bills))
        cheaper = connection.execute(sql.load("i8_discounts"), {"event_id": event_id})
        findings.add("I8", discounts.wrong(discounts.Cheaper(*row) for row in cheaper))
    with findings.timed("I5"):
        rows = connection.execute(sql.load("decisions"), {"event_id": event_id})
        overtaken = order.inversions(QueuedBooking(*row) for row in rows)
        findings.add("I5", (f"booking {one.later} was decided before {one.earlier}" for one in overtaken))
        findings.add("I5", drawn.wrong(connection, event_id, journal_seconds=GRACES["journal_seconds"]))
    numbers["inversions"] = len(overtaken)
    numbers["rate_error"] = _check_runs(connection, event_id, findings)
    numbers["lost_bookings"] = findings.count("I3")
    return numbers


def _violations(connection: Connection, rule: str, event_id: EventId) -> Iterator[str]:
    """What breaks a rule, read as it comes: a record that is all wrong does not fill the memory."""
    streamed = {"stream_results": True, "yield_per": ROWS_AT_ONCE}
    found = connection.execute(sql.load(rule), {"event_id": event_id, **GRACES, **LIMITS}, execution_options=streamed)
    for counted, what in enumerate(found.scalars(), start=1):
        yield str(what)
        if counted >= COUNTED_MAX:
            found.close()
            return


def _moves_of_another_table(connection: Connection, event_id: EventId) -> Iterator[str]:
    """Moves that were made, or that the database allows, and db/states.py does not."""
    legal = {(NEW, first.value) for first in FIRST}
    legal |= {(before.value, after.value) for before, moves in LEGAL_MOVES.items() for after in moves}
    for before, after, booking_id in connection.execute(sql.load("i12_moves_made"), {"event_id": event_id}):
        if (before, after) not in legal:
            who = f"booking {booking_id} moved" if booking_id else "the database allows the move"
            yield f"{who} from {before} to {after}, which db/states.py does not know"


def _check_chain(connection: Connection, event_id: EventId, findings: Findings) -> None:
    """What the chained log says, and what it leaves out."""
    findings.add("I12", islice(chain.broken(connection, event_id), COUNTED_MAX))
    if chain.is_past_comparing(connection, event_id):
        findings.not_checked("I12", "the key of the chained log is deleted: what it says is not compared")
    left_out = chain.left_out(connection, event_id)
    if left_out and left_out.damaged:
        findings.add("I12", [left_out.says])
    elif left_out:
        findings.not_checked("I12", left_out.says)


def _check_runs(connection: Connection, event_id: EventId, findings: Findings) -> float | None:
    """The order and the rate of admissions; returns how far from the rate set, as a share, where only it held back."""
    asked = {"event_id": event_id}
    with findings.timed("I5"):
        runs = [Run(*row) for row in connection.execute(sql.load("admissions"), asked)]
        lines = connection.execute(sql.load("dials_turned"), asked).all()
        switched_on = [line.at_us for line in lines if line.switched_on]
        findings.add("I5", admissions.disorder(runs, switched_on))
        found = connection.execute(sql.load("dials"), asked).one_or_none()
        if found is None:
            return None
        dials, turned = Dials(*found), [_turned(*line) for line in lines]
        marked = connection.execute(sql.load("mark"), asked).one_or_none()
        findings.add("I5", gaps.lost_runs(runs, turned, dials.per_minute, Mark(*marked) if marked else None))
    with findings.timed("I6"):
        held = [Held(*row) for row in connection.execute(sql.load("rates_held"), asked)]
        rates = Rates.of(turned, dials, held)
        findings.add("I6", admissions.over_the_rate(runs, rates))
        error = admissions.rate_error(runs, rates)
    if error is not None:
        findings.note("I6", f"{error:.2%} off the rate while nothing else held back")
    return error


def _turned(
    at_us: int,
    rate_from: int | None,
    rate_to: int | None,
    phase_from: str | None,
    phase_to: str | None,
    opens_from_us: int | None,
    opens_to_us: int | None,
    _switched_on: bool,
) -> Turned:
    return Turned(
        at_us=at_us,
        per_minute=None if rate_from is None or rate_to is None else (rate_from, rate_to),
        phase=None if phase_from is None or phase_to is None else (phase_from, phase_to),
        opens_at_us=None if opens_from_us is None or opens_to_us is None else (opens_from_us, opens_to_us),
    )


def _compare_money(
    engine: Engine, event_id: EventId, ledger: Ledger | None, findings: Findings, agree_seconds: float
) -> dict[str, int]:
    """The record's payments against the provider's, since the event is there."""
    if ledger is None:
        findings.not_checked("I2", "the provider's ledger was not asked")
        return {}

    def record(bookings: Sequence[str] | None) -> list[money.Payment]:
        asked = {"event_id": event_id, "bookings": list(bookings) if bookings is not None else None}
        with reading(engine) as connection:
            return [money.Payment(*row) for row in connection.execute(sql.load("captured"), asked)]

    with reading(engine) as connection:
        since: datetime = connection.execute(_SINCE, {"event_id": event_id}).scalar_one()
    try:
        compared = money.compare(event_id, record, ledger, since=since - LEDGER_MARGIN, patience_seconds=agree_seconds)
    except ProviderUnavailable as error:
        findings.not_checked("I2", f"the provider's ledger was not checked: {error}")
        return {}
    findings.add("I2", compared.differences)
    findings.note("I2", f"in the provider's ledger {compared.payments:,} payments, {compared.captures:,} captures")
    return {"ledger_captured": compared.captures, "ledger_captured_minor": compared.captured_minor}


def _compare_copies(
    engine: Engine, event_id: EventId, copies_at: Copies | None, findings: Findings, agree_seconds: float
) -> None:
    if copies_at is None:
        findings.not_checked("I10", "the queue and the cache were not asked")
        return
    compared = copies.compare(engine, event_id, copies_at, patience_seconds=agree_seconds)
    findings.add("I10", compared.differences)
    for what in compared.looked_at:
        findings.note("I10", what)
    for why in compared.unasked:
        findings.not_checked("I10", why)


_SINCE = text("""
    SELECT least(e.created_at, (SELECT min(created_at) FROM bookings WHERE event_id = e.id))
      FROM events e WHERE e.id = :event_id
""")
