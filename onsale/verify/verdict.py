"""What `onsale verify` answers: a finding for each invariant, and the sale in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onsale.db.ids import EventId

SAYS = {
    "I1": "A ticket is sold to one buyer; held and sold are never more than there are",
    "I2": "Every captured payment has its tickets or a refund, amounts equal, taken once",
    "I3": "Every accepted booking has ended, or is younger than its deadline",
    "I4": "One booking per buyer and Idempotency-Key",
    "I5": "Nobody was overtaken: bookings were decided, and people let in, in the order of their numbers",
    "I6": "Nobody was let in above the rate, and one admission gave one hold",
    "I7": "No ticket is out of sale for nothing or past its time, none was let go early",
    "I8": "The price charged is the price at the hold",
    "I9": "No buyer has more tickets than one may, and no code more uses",
    "I10": "Queue, cache and search say what the record says",
    "I11": "A ticket is accepted once at the door",
    "I12": "Histories are whole, legal, and lead to where each booking is",
}


@dataclass(frozen=True)
class Finding:
    """One invariant: whether it holds (None: it could not be checked), and what breaks it.

    `count` of violations, at most 10,000 for each rule, and the first 20 of them in `examples`; `note` says what was
    looked at, or why it was not.
    """

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
