"""What the chances are that a ticket is left when a number is called: four words, with the figures they come from.

Pure, and the same in web/static/js/queue_odds.js: a test puts the same cases through both. The document has what is
known of everybody; each client adds the people before its own number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from onsale.queue.state import Phase, QueueState

# Until so many have made up their minds, what earlier sales taught counts for as much as what this one shows.
PRIOR_PEOPLE = 20
PRIOR_BUYS = 0.6
PRIOR_TICKETS = 2.0
# How far the share that buys, and what they take, may still change: of their product, as a standard deviation.
UNSURE = 0.10
UNSURE_PRIOR = 0.35
# Of the tickets held now so many are paid for; the rest comes back.
HELD_PAID = 0.9
VERY_LIKELY = 0.93
LIKELY = 0.45


class Odds(StrEnum):
    """Calibrated by simulation: who reads `very_likely` finds a ticket nine times in ten, `unlikely` one in three."""

    VERY_LIKELY = "very_likely"
    LIKELY = "likely"
    UNLIKELY = "unlikely"
    NONE_LEFT = "none_left"


@dataclass(frozen=True, slots=True)
class Demand:
    """What people took so far: `buys` of a hundred who came in and decided, so many tickets each."""

    buys_percent: int
    tickets_per_buyer: float
    # 0: all of it is what earlier sales taught; 100: all of it was seen here.
    seen_percent: int


def demand(state: QueueState) -> Demand:
    """What was seen in this sale, with what others taught where little was seen."""
    so_far = state.so_far
    buyers = so_far.buyers if so_far else 0
    tickets = so_far.tickets if so_far else 0
    decided = max(buyers, state.admitted_total - state.admitted - state.entered) if so_far else 0
    buys = (buyers + PRIOR_BUYS * PRIOR_PEOPLE) / (decided + PRIOR_PEOPLE)
    each = (tickets + PRIOR_TICKETS * PRIOR_PEOPLE / 4) / (buyers + PRIOR_PEOPLE / 4)
    return Demand(round(100 * min(1.0, buys)), round(each, 1), round(100 * decided / (decided + PRIOR_PEOPLE)))


def document(state: QueueState, *, present: float) -> dict[str, Any]:
    """What is known of everybody, as the status document has it."""
    known = demand(state)
    return {
        "buys_percent": known.buys_percent,
        "tickets_per_buyer": known.tickets_per_buyer,
        "seen_percent": known.seen_percent,
        "present_percent": round(100 * present),
        "choosing": state.choosing,
    }


def odds(ahead: int, body: Mapping[str, Any]) -> Odds | None:
    """The chances of a place with so many people ahead; None where nobody knows what is left, or is let in any more."""
    if body["phase"] == Phase.CLOSED:
        return None
    free, held, known = body["free"], body["held"], body["odds"]
    if free is None or held is None:
        return None
    if free <= 0:
        return Odds.NONE_LEFT
    each = max(1.0, known["tickets_per_buyer"])
    buys = known["buys_percent"] / 100
    deciding = known["choosing"] + ahead * known["present_percent"] / 100
    wanted = deciding * buys * each
    # One more, for this person.
    left = free + (1 - HELD_PAID) * held - wanted - 1
    seen = known["seen_percent"] / 100
    unsure = wanted * (UNSURE * seen + UNSURE_PRIOR * (1 - seen))
    spread = math.sqrt(deciding * buys * each * each * (1.25 - buys) + unsure * unsure + 0.25)
    # The logistic curve beside the normal one: the same in every language to the last digit that matters.
    chance = 1 / (1 + math.exp(max(-40.0, min(40.0, -1.702 * left / spread))))
    if chance >= VERY_LIKELY:
        return Odds.VERY_LIKELY
    return Odds.LIKELY if chance >= LIKELY else Odds.UNLIKELY
