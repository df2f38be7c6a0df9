"""How long one person still waits, as a band: read off the status document's `wait`, and kept from moving later.

Pure, and the same in web/static/js/queue_wait.js: a test puts the same cases through both. The document says once for
all how fast people are called; each client adds up its own way to its own number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MINUTE_MS = 60_000
# The clocks, the second a status is old, and the moment between two runs of the queue.
EARLIER_MS = 2_000
LATER_MS = 6_000


@dataclass(frozen=True, slots=True)
class Band:
    """The turn comes between `from_ms` and `to_ms` (of the server's clock), as told in this `epoch`.

    A new epoch begins when the wait may be told later than before; the document has the reason, and since when.
    """

    from_ms: int
    to_ms: int
    epoch: int

    @property
    def text(self) -> str:
        """For whoever keeps it and hands it in again."""
        return f"{self.from_ms}.{self.to_ms}.{self.epoch}"


def told(turns: int, body: Mapping[str, Any], *, now_ms: int, is_return: bool = False) -> Band | None:
    """The band of a place whose turn is the `turns`-th from now; None where nobody can know.

    `now_ms`: the server's clock. Before the opening the time until then is part of the wait.
    """
    wait = body["wait"]
    pieces: Sequence[Mapping[str, Any]] = wait["returns"] if is_return else wait["pieces"]
    soonest = latest = 0.0
    left = float(max(1, turns))
    for piece in pieces:
        people = left if piece["people"] is None else min(left, piece["people"])
        soonest += people / piece["fast_per_minute"] * MINUTE_MS
        latest += people / piece["slow_per_minute"] * MINUTE_MS
        left -= people
        if left <= 0:
            break
    if left > 0:
        return None
    begin = max(now_ms, wait["opens_at_ms"])
    return Band(
        math.floor(max(now_ms, begin + soonest - EARLIER_MS)), math.ceil(begin + latest + LATER_MS), wait["epoch"]
    )


def kept(before: Band | None, now: Band | None) -> Band | None:
    """What to tell somebody who was told `before`: never later and never wider, but with a new epoch's reason."""
    if before is None or now is None or before.epoch != now.epoch:
        return now
    to_ms = min(before.to_ms, now.to_ms)
    # What is reckoned now lies after all that was promised: the promise stands; its breach gets a reason or none.
    from_ms = now.from_ms if now.from_ms < to_ms else before.from_ms
    return Band(min(to_ms, max(from_ms, to_ms - (before.to_ms - before.from_ms))), to_ms, now.epoch)


def seconds(band: Band, now_ms: int) -> tuple[int, int]:
    """From now to the band's two ends, in whole seconds, none below 0."""
    return max(0, (band.from_ms - now_ms) // 1000), max(0, -(-(band.to_ms - now_ms) // 1000))


def kept_text(text: str | None) -> Band | None:
    """What `Band.text` wrote; None for anything else, which costs nothing but the memory of what was told."""
    parts = (text or "").split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
        return None
    band = Band(*map(int, parts))
    return band if band.from_ms <= band.to_ms else None
