"""Does the provider's ledger say what the record says? Compared from both sides, payment by payment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from onsale.db.ids import EventId, event_of_booking
from onsale.payments.ledger import Entry, Ledger


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as the record has it, with the state of its booking."""

    intent_id: str
    booking_id: str
    state: str
    captured_minor: int
    currency: str


def differences(event_id: EventId, recorded: Iterable[Payment], ledger: Ledger, *, since: datetime) -> list[str]:
    """What one side has and the other has not. Raises ProviderUnavailable.

    Money on its way is nobody's fault: a booking that is being committed or refunded just now is left out.
    """
    ours = {payment.intent_id: payment for payment in recorded}
    refunded: dict[str, int] = defaultdict(int)
    for intent_id, amount in ledger.refunds(since):
        refunded[intent_id] += amount
    found: list[str] = []
    captured_for: dict[str, list[str]] = defaultdict(list)
    for entry in ledger.payments(since):
        if not _is_of(event_id, entry, ours):
            continue
        payment = ours.pop(entry.intent_id, None)
        found += _of_one(entry, payment, refunded[entry.intent_id])
        if entry.captured_minor and entry.captured_minor > refunded[entry.intent_id]:
            captured_for[str(entry.booking_id)].append(entry.intent_id)
    found += _captured_twice(captured_for)
    found += [
        f"payment {payment.intent_id} of booking {payment.booking_id} is not in the provider's ledger"
        for payment in ours.values()
    ]
    return found


def _is_of(event_id: EventId, entry: Entry, ours: dict[str, Payment]) -> bool:
    of_event = entry.booking_id is not None and event_of_booking(entry.booking_id) == event_id
    return of_event or entry.intent_id in ours


def _of_one(entry: Entry, payment: Payment | None, refunded_minor: int) -> Iterator[str]:
    kept = entry.captured_minor - refunded_minor
    if payment is None:
        if kept:
            whose = f"for booking {entry.booking_id}, and the record has no such payment"
            yield f"the provider took {kept} by {entry.intent_id} {whose}"
        return
    if payment.state in ("committed", "refunding"):
        return
    who = f"booking {payment.booking_id} ({payment.state})"
    if payment.currency != entry.currency:
        yield f"{who} is paid in {payment.currency}, the provider took {entry.currency}"
    if payment.state == "confirmed" and entry.captured_minor != payment.captured_minor:
        yield f"{who} took {payment.captured_minor} on record, the provider {entry.captured_minor} by {entry.intent_id}"
    elif payment.state == "refunded" and kept:
        yield f"{who} is refunded on record, the provider kept {kept} of {entry.intent_id}"
    elif payment.state not in ("confirmed", "refunded") and kept:
        yield f"{who} has no tickets, and the provider took {kept} by {entry.intent_id}"


def _captured_twice(captured_for: dict[str, list[str]]) -> Iterator[str]:
    for booking, intents in captured_for.items():
        if len(intents) > 1:
            yield f"booking {booking} was paid {len(intents)} times: {', '.join(sorted(intents))}"
