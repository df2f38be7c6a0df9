"""Holds what buyers were told against the record: is any accepted booking lost, did any answer turn out untrue?

The record's own promises are `onsale verify`'s to check; this adds what only the buyers know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.states import ENDED
from onsale.sandbox.visitor.visit import Visit
from onsale.verify.verdict import Finding, Verdict

CONTRADICTIONS_MAX = 100
# What a buyer was told at last, and what the record may say by then: a refund comes after a confirmation.
LATER = {"confirmed": {"confirmed", "refunding", "refunded"}}


@dataclass(frozen=True)
class Audit:
    """What the record says; None where there was none to read."""

    verify: Mapping[str, bool | None] = field(default_factory=dict)
    # Why, for each that does not hold or could not be checked: the first of what was found.
    because: Mapping[str, str] = field(default_factory=dict)
    sold: int | None = None
    captured_minor: int | None = None
    double_sold: int | None = None
    inversions: int | None = None
    rate_error: float | None = None
    lost_bookings: int | None = None
    late_payments: int | None = None
    contradictions: tuple[str, ...] = ()


def audit(engine: Engine, event_id: EventId, visits: Iterable[Visit], verdict: Verdict) -> Audit:
    """Compare every booking that was answered 202 with the record."""
    with reading(engine) as connection:
        late = connection.execute(_LATE, {"event_id": event_id}).scalar_one()
        states = {str(booking): str(state) for booking, state in connection.execute(_STATES, {"event_id": event_id})}
    ended = {state.value for state in ENDED}
    lost, untrue = 0, []
    for visit in visits:
        for booking in visit.booking_ids:
            lost += states.get(booking) not in ended
        if visit.confirmed_at is not None and not _is_so("confirmed", visit, states):
            untrue.append(f"a buyer of {', '.join(visit.booking_ids)} was told confirmed, which is not so")
    numbers = verdict.numbers
    return Audit(
        verify={finding.invariant: finding.ok for finding in verdict.findings},
        because={each.invariant: _why(each) for each in verdict.findings if not each.ok},
        sold=numbers["sold"],
        captured_minor=numbers["captured_minor"],
        double_sold=numbers["double_sold"],
        inversions=numbers["inversions"],
        rate_error=numbers["rate_error"],
        lost_bookings=lost,
        late_payments=late,
        contradictions=tuple(untrue[:CONTRADICTIONS_MAX]),
    )


def _why(finding: Finding) -> str:
    more = f" (and {finding.count - 1} more)" if finding.count > 1 else ""
    return f"{finding.examples[0]}{more}" if finding.examples else finding.note


def _is_so(told: str, visit: Visit, states: Mapping[str, str]) -> bool:
    return any(states.get(booking) in LATER[told] for booking in visit.booking_ids)


_STATES = text("SELECT id, state FROM bookings WHERE event_id = :event_id")
# A card was given in time, and the bank's word came too late or not at all.
_LATE = text("""
    SELECT count(*) FROM bookings b
     WHERE b.event_id = :event_id AND b.state = 'expired'
       AND EXISTS (SELECT FROM payment_attempts a WHERE a.event_id = b.event_id AND a.booking_id = b.id
                    AND a.outcome IN ('pending', 'authorised'))
""")
