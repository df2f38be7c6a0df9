"""What a simulated buyer makes of a draw: its own number, worked out from the public status as a buyer's page does."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from onsale.sandbox.visitor.steps import Steps, Wait
from onsale.sandbox.visitor.visit import OVER, Visit
from onsale.verify.draw_list import Draw

# As the page does: each asks for its place once, before its turn, and no more at once than come in.
SOON_SECONDS, SPREAD_SECONDS = 3.0, 60.0
LOOKS_MAX = 10_000
NOT_DRAWN = "not-drawn-yet"


class NotDrawn(Exception):
    """There is nothing to book under before the draw."""


@dataclass(frozen=True)
class Ways:
    """How the buyer reads the status and its own place, and how long it rests between two looks."""

    status: Callable[[], Steps[dict[str, Any]]]
    place: Callable[[], Steps[Any]]
    rest: Callable[[Mapping[str, Any]], Wait]
    chance: random.Random


def awaits(status: Mapping[str, Any], visit: Visit) -> bool:
    """Whether the number joined with will be drawn into another, or was without the buyer knowing yet."""
    draw = status.get("draw")
    if draw is None or visit.number is None or visit.pre_queue_number is not None:
        return False
    return draw["size"] is None or visit.number <= draw["size"]


def wait(visit: Visit, status: dict[str, Any], ways: Ways) -> Steps[str | None]:
    """Until the draw nobody is ahead; then work the own number out, and see that the shop says the same.

    What the queue ended with if it did; else None, also where the buyer turns out to have come after the entries.
    """
    for _ in range(LOOKS_MAX):
        if status["phase"] in OVER:
            return str(status["phase"])
        if not awaits(status, visit) or status["draw"]["waits_for"] is None:
            break
        yield ways.rest(status)
        status = yield from ways.status()
    if awaits(status, visit) and status["draw"]["waits_for"] is None:
        visit.was_drawn(drawn_number(status["draw"], visit.number or 0))
        yield Wait(ways.chance.uniform(0, spread_seconds(status, visit.place)))
        visit.was_told((yield from ways.place()))
    return None


def drawn_number(draw: Mapping[str, Any], number: int) -> int:
    """What a pre-queue number is drawn as, by the rule that anybody may work out."""
    return _rule(draw["seed"], draw["beacon_value"] or "", draw["size"]).of(number)


def spread_seconds(status: Mapping[str, Any], drawn: int) -> float:
    """Within how long to ask for the place."""
    turn = 60 * drawn / max(1, int(status["rate_per_minute"]))
    return min(SPREAD_SECONDS, max(SOON_SECONDS, turn / 2))


@lru_cache(maxsize=4)
def _rule(seed: str, beacon: str, size: int) -> Draw:
    """One for a whole crowd, so that its rounds are worked out once."""
    return Draw(bytes.fromhex(seed), beacon, size)
