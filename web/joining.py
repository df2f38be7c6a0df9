"""The queue as one buyer sees it: join, where I stand, here I am, enter, come back, leave. API and pages both call these.

A queue token proves a number, also when Redis lost everything; whoever has one passes it in `queue_token`. Tokens are
signed here and travel in headers (API) or HttpOnly cookies (pages), never in a URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from onsale.db.ids import BuyerId, EventId

if TYPE_CHECKING:
    from onsale.web.box_office import BoxOffice


@dataclass(frozen=True)
class Joined:
    """A place in the queue; joining again gives the same one (`created` is then false)."""

    number: int
    queue_token: str
    joined_at: datetime
    created: bool


@dataclass(frozen=True)
class MyPlace:
    """Where one buyer stands: ahead, admitted, entered, passed or done.

    `ahead` counts people (numbers) before this one; the wait is a band in seconds, None where it cannot be known.
    `deadline` is when an admitted place lapses, or when the time to choose ends.
    """

    number: int
    return_number: int | None
    standing: str
    ahead: int
    wait_low_seconds: int | None
    wait_high_seconds: int | None
    poll_seconds: float
    heartbeat: bool
    deadline: datetime | None
    queue_token: str


@dataclass(frozen=True)
class Entered:
    """The buyer is in: the admission token that books, and until when to choose."""

    admission_id: str
    admission_token: str
    choose_until: datetime


def join(
    office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, address: str, queue_token: str | None = None
) -> Joined:
    """Take a number, or get the one this buyer has.

    Raises NotFound, NotOpenYet, QueueClosed, NumbersExhausted, QueueRecovering, AddressLimitReached, BadQueueToken.
    """
    raise NotImplementedError


def my_place(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> MyPlace:
    """Where this buyer stands now. Raises NotInQueue."""
    raise NotImplementedError


def heartbeat(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> MyPlace:
    """Show being there. Raises NotInQueue."""
    raise NotImplementedError


def enter(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> Entered:
    """Come in, or get the same admission again. Raises NotInQueue, NotYourTurn, TurnLapsed."""
    raise NotImplementedError


def come_back(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> MyPlace:
    """Take a return number after being passed over, or get the one this buyer has. Raises NotInQueue."""
    raise NotImplementedError


def leave(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> None:
    """Give the place up for good; harmless twice."""
    raise NotImplementedError
