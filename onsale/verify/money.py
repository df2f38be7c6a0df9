"""Does the provider's ledger say what the record says? Compared from both sides, payment by payment.

Both move while they are read, so what differs is asked for again, on both sides, until it agrees or time is up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from onsale.db.ids import EventId, event_of_booking
from onsale.db.price_terms import terms_from_json
from onsale.payments.ledger import Entry, Ledger

# So many payments that differ are asked for again one by one; more than these are no coincidence of timing.
AGAIN_MAX = 500
LOOK_SECONDS = 0.5
# A booking that ended has its money let go within seconds; the reconciler does it when a worker was killed.
LET_GO_SECONDS = 120
PAID = frozenset({"confirmed", "refunding", "refunded"})


@dataclass(frozen=True, slots=True)
class Payment:
    """A booking's money as the record has it; `intent_id` None: no payment was begun. `ended_seconds`: since when.

    `given_back_minor` is what refunds have given back, `owed_minor` what others of it are still to.
    """

    booking_id: str
    intent_id: str | None
    state: str
    amount_minor: int | None
    currency: str
    captured_minor: int
    given_back_minor: int
    owed_minor: int
    ended_seconds: float | None


@dataclass(frozen=True, slots=True)
class Billed:
    """A booking with fees or tax: the terms and prices it was held at, and what it was billed."""

    booking_id: str
    terms: Mapping[str, Any]
    prices_minor: Sequence[int]
    amount_minor: int
    fees_minor: int
    taxes_minor: int


# The payments of these bookings as they are now; of all bookings of the event that have one, without any.
Record = Callable[[Sequence[str] | None], Sequence[Payment]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A payment as the provider has it, and the booking as the record has it; None: one of them has not."""

    intent_id: str
    booking_id: str | None
    entry: Entry | None
    payment: Payment | None
    refunded_minor: int = 0


@dataclass
class Compared:
    """What differs, and what was looked at: payments of the event in the ledger, and what was captured by them."""

    differences: list[str] = field(default_factory=list)
    payments: int = 0
    captures: int = 0
    captured_minor: int = 0


def wrong_bills(billed: Iterable[Billed]) -> Iterator[str]:
    """Bookings whose bill is not what their tickets cost by their own terms."""
    for one in billed:
        bill = terms_from_json(one.terms).of_booking(one.prices_minor)
        if (bill.total_minor, bill.fees_minor, bill.taxes_minor) != (one.amount_minor, one.fees_minor, one.taxes_minor):
            yield (
                f"booking {one.booking_id} costs {one.amount_minor} with {one.fees_minor} of fees and "
                f"{one.taxes_minor} of tax, its tickets {bill.total_minor}, {bill.fees_minor} and {bill.taxes_minor}"
            )


def compare(event_id: EventId, record: Record, ledger: Ledger, *, since: datetime, patience_seconds: float) -> Compared:
    """What one side has and the other has not, `patience_seconds` after both were read. Raises ProviderUnavailable."""
    compared = Compared()
    suspects = list(_suspects(event_id, record(None), ledger, since, compared))
    until = time.monotonic() + patience_seconds
    while suspects:
        suspects = [pair for pair in _again(record, suspects) if any(_wrong(pair))]
        if not suspects or time.monotonic() >= until:
            break
        suspects = [_asked(ledger, pair) for pair in suspects[:AGAIN_MAX]] + suspects[AGAIN_MAX:]
        time.sleep(LOOK_SECONDS)
    compared.differences += [what for pair in suspects for what in _wrong(pair)]
    return compared


def _suspects(
    event_id: EventId, recorded: Sequence[Payment], ledger: Ledger, since: datetime, compared: Compared
) -> Iterator[Pair]:
    """One pass over the whole ledger and the whole record."""
    ours = {payment.intent_id or "": payment for payment in recorded}
    refunded: Counter[str] = Counter()
    for intent_id, amount in ledger.refunds(since):
        refunded[intent_id] += amount
    for entry in ledger.payments(since):
        payment = ours.pop(entry.intent_id, None)
        if payment is None and (entry.booking_id is None or event_of_booking(entry.booking_id) != event_id):
            continue
        compared.payments += 1
        compared.captures += entry.captured_minor > 0
        compared.captured_minor += entry.captured_minor
        booking_id = payment.booking_id if payment else str(entry.booking_id)
        pair = Pair(entry.intent_id, booking_id, entry, payment, refunded[entry.intent_id])
        if any(_wrong(pair)):
            yield pair
    for intent_id, payment in ours.items():
        yield Pair(intent_id, payment.booking_id, None, payment)


def _again(record: Record, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with what the record says by now."""
    now = {payment.booking_id: payment for payment in record([pair.booking_id for pair in pairs if pair.booking_id])}
    return [
        Pair(pair.intent_id, pair.booking_id, pair.entry, now.get(pair.booking_id or ""), pair.refunded_minor)
        for pair in pairs
    ]


def _asked(ledger: Ledger, pair: Pair) -> Pair:
    """The pair with what the provider says by now."""
    entry = ledger.payment(pair.intent_id)
    refunded = ledger.refunded(pair.intent_id) if entry and entry.captured_minor else 0
    return Pair(pair.intent_id, pair.booking_id, entry, pair.payment, refunded)


def _wrong(pair: Pair) -> Iterator[str]:
    entry, payment = pair.entry, pair.payment
    if entry is None:
        yield f"payment {pair.intent_id} of booking {pair.booking_id} is not in the provider's ledger"
        return
    kept = entry.captured_minor - pair.refunded_minor
    if payment is None:
        if kept or entry.reserved_minor:
            verb, amount = ("took", kept) if kept else ("reserves", entry.reserved_minor)
            yield f"the provider {verb} {amount} by {entry.intent_id} for booking {pair.booking_id}, not on the record"
    elif payment.intent_id != entry.intent_id:
        if kept:
            yield f"booking {payment.booking_id} was paid {kept} by {entry.intent_id} too, not its own payment"
        elif entry.reserved_minor:
            by = f"{entry.intent_id} too, not its own payment"
            yield f"the provider reserves {entry.reserved_minor} for booking {payment.booking_id} by {by}"
    else:
        yield from _wrong_of_one(entry, payment, kept)


def _wrong_of_one(entry: Entry, payment: Payment, kept: int) -> Iterator[str]:
    who, by = f"booking {payment.booking_id} ({payment.state})", entry.intent_id
    if payment.currency != entry.currency:
        yield f"{who} is in {payment.currency}, {by} in {entry.currency}"
    if payment.state in PAID:
        yield from _wrong_of_paid(entry, payment, entry.captured_minor - kept)
    elif payment.state == "committed":
        # The capture is on its way; when it is done it must be of the whole amount.
        if entry.captured_minor not in (0, payment.amount_minor):
            yield f"{who} costs {payment.amount_minor}, the provider took {entry.captured_minor} by {by}"
    else:
        yield from _wrong_without_tickets(entry, payment, kept)


def _wrong_of_paid(entry: Entry, payment: Payment, given_back: int) -> Iterator[str]:
    who, by = f"booking {payment.booking_id} ({payment.state})", entry.intent_id
    if entry.captured_minor != payment.captured_minor:
        yield f"{who} took {payment.captured_minor} on record, the provider {entry.captured_minor} by {by}"
    # What is owed may be given back at any moment; the record hears of it after.
    elif not payment.given_back_minor <= given_back <= payment.given_back_minor + payment.owed_minor:
        said = f"gave back {payment.given_back_minor} on record" if payment.given_back_minor else "has its tickets"
        yield f"{who} {said}, and the provider gave back {given_back} of {by}"


def _wrong_without_tickets(entry: Entry, payment: Payment, kept: int) -> Iterator[str]:
    who, by = f"booking {payment.booking_id} ({payment.state})", entry.intent_id
    if kept:
        yield f"{who} has no tickets, and the provider keeps {kept} taken by {by}"
    if entry.reserved_minor and (payment.ended_seconds or 0.0) > LET_GO_SECONDS:
        yield f"{who} has ended, and the provider still reserves {entry.reserved_minor} by {by}"
