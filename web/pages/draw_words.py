"""What the pages say of a draw: how it stands, and honestly what the organiser could have influenced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onsale.queue.draw import DrawState

INFLUENCE_BEACON = (
    "The seed was fixed before anybody joined, and so was the name of the beacon, a value that others publish. It "
    "counts only once the entries are closed. If it was published after that (look it up), nobody could work out the "
    "order before, or choose it, not even the organiser."
)
INFLUENCE_NONE = (
    "No beacon was named. The seed was fixed before anybody joined and cannot be changed, but the organiser may know "
    "it, and could work out beforehand which number would be drawn for which entry, and add entries until the order "
    "suits. The draw shows that the order was not changed afterwards; it does not show that nobody knew it before."
)
INFLUENCE_WITHOUT = (
    "A beacon was named and the organiser did not wait for it. The seed was fixed before anybody joined, but the "
    "organiser may have known it, and could work out the order without the beacon before deciding to go without. Ask "
    "them why."
)


@dataclass(frozen=True)
class DrawView:
    """A draw as a page shows it; `counting`: the entries close at a moment that is still to come.

    `put_off`: they are closed, and it is held at a moment that is still to come.
    """

    state: DrawState
    opens_at: datetime
    counting: bool
    influence: str
    put_off: bool = False

    @property
    def pending(self) -> bool:
        """Whether the numbers are still to be drawn."""
        return not self.state.held


def view(draw: DrawState | None, *, opens_at: datetime, now: datetime) -> DrawView | None:
    """What a page shows of a draw; None where it is first come, first served."""
    if draw is None:
        return None
    influence = influence_of(draw.beacon_name, without_beacon=draw.without_beacon)
    put_off = draw.size is not None and draw.waits_for == "opening" and opens_at > now
    return DrawView(draw, opens_at, draw.size is None and opens_at > now, influence, put_off)


def influence_of(beacon_name: str, *, without_beacon: bool) -> str:
    """What the organiser could have influenced."""
    if not beacon_name:
        return INFLUENCE_NONE
    return INFLUENCE_WITHOUT if without_beacon else INFLUENCE_BEACON
