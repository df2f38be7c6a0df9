"""What became of one visit: when each stage was reached, and every promise the buyer saw broken.

Moments are seconds on the clock of whoever drives the visit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from onsale.queue import gaps

# Nobody waits for a queue that is over.
OVER = frozenset({"sold_out", "closed"})
ENDED = frozenset(
    {"confirmed", "refunded", "sold_out", "unavailable", "payment_failed", "expired", "cancelled", "failed"}
)
# Copies of the status are a second old at most; a shared cache keeps them one more, and a request takes its time.
STALE_SECONDS = 5.0


class Stage(StrEnum):
    """Where a simulated buyer is."""

    COMING = "coming"
    WAITING = "waiting"
    INSIDE = "inside"
    DONE = "done"


class Awaiting(StrEnum):
    """What a buyer waits for that the shop has accepted: to be told yes or no."""

    # A booking, until it is held or honestly refused.
    DECISION = "decision"
    # A payment, until it is confirmed or declined.
    PAYMENT = "payment"


@dataclass(slots=True)
class Awaited:
    """One wait for what the shop had accepted; `ended_at` is None while, or because, it did not end."""

    what: Awaiting
    begun_at: float
    ended_at: float | None = None

    def since(self, moment: float) -> Awaited:
        """The same, counted from this moment."""
        return Awaited(self.what, self.begun_at - moment, None if self.ended_at is None else self.ended_at - moment)


@dataclass
class Visit:
    """One buyer's way through the sale; None is a stage that was not reached."""

    arrived_at: float
    stage: Stage = Stage.COMING
    number: int | None = None
    return_number: int | None = None
    # What was joined with, once it was drawn into `number`.
    pre_queue_number: int | None = None
    joined_at: float | None = None
    turn_at: float | None = None
    entered_at: float | None = None
    booked_at: float | None = None
    held_at: float | None = None
    confirmed_at: float | None = None
    ended_at: float | None = None
    ended: str = ""
    # Everything that was answered 202, in order; and what the buyer ended with.
    booking_ids: list[str] = field(default_factory=list)
    tickets: list[int] = field(default_factory=list)
    amount_minor: int = 0
    people_ahead_at_first: int | None = None
    broken: list[str] = field(default_factory=list)
    awaited: list[Awaited] = field(default_factory=list)
    _serving: int = 0
    _serving_at: float = float("-inf")
    _ahead: int | None = None

    @property
    def place(self) -> int:
        """The number that counts now; 0 before there is one."""
        return self.return_number or self.number or 0

    def breaks(self, what: str) -> None:
        """Write down a broken promise."""
        self.broken.append(what)

    def took_number(self, number: int, *, now: float) -> None:
        """The queue gave a number; the same one each time, or a promise is broken."""
        if self.number is not None and number != self.number:
            self.breaks(f"number {self.number} became {number}")
        if self.number is None:
            self.joined_at = now
        self.number = number
        self.stage = Stage.WAITING

    def was_drawn(self, number: int) -> None:
        """By the public rule the number joined with was drawn as this one: from here on it counts."""
        self.pre_queue_number, self.number = self.number, number

    def was_told(self, place: Mapping[str, Any]) -> None:
        """The shop's word on the place after the draw; it must be what everybody can work out."""
        said, worked_out = (place["pre_queue_number"], place["drawn_number"]), (self.pre_queue_number, self.number)
        if said != worked_out:
            self.breaks(f"of a draw (joined with, drawn) is told as {said}, and follows as {worked_out}")

    def took_return_number(self, number: int) -> None:
        """The turn was missed; from here on the return number counts."""
        if number != self.return_number:
            self.return_number, self._ahead = number, None
            self._serving, self._serving_at = 0, float("-inf")

    def saw(self, status: Mapping[str, Any], *, now: float) -> int:
        """A status was read: the people ahead, which must never rise. The largest serving number seen counts."""
        serving = int(status["return_serving" if self.return_number is not None else "serving"])
        if serving < self._serving and now - self._serving_at > STALE_SECONDS:
            self.breaks(f"serving fell from {self._serving} to {serving}")
        if serving > self._serving:
            self._serving, self._serving_at = serving, now
        nobodys = status["gaps"]["returns" if self.return_number is not None else "numbers"]
        ahead = gaps.people(self._serving + 1, self.place - 1, nobodys)
        if self._ahead is not None and ahead > self._ahead:
            self.breaks(f"people ahead rose from {self._ahead} to {ahead}")
        if self.people_ahead_at_first is None:
            self.people_ahead_at_first = ahead
        self._ahead = ahead
        return ahead

    @property
    def is_called(self) -> bool:
        """Whether the queue has reached the place."""
        return self._serving >= self.place > 0

    def booked(self, booking_id: str, *, now: float) -> None:
        """A booking was answered 202."""
        if booking_id not in self.booking_ids:
            self.booking_ids.append(booking_id)
        if self.booked_at is None:
            self.booked_at = now

    def awaits(self, what: Awaiting, *, now: float) -> Awaited:
        """The shop has accepted something; the caller writes down when it ended."""
        self.awaited.append(Awaited(what, now))
        return self.awaited[-1]

    def got(self, booking: Mapping[str, Any], *, now: float) -> None:
        """The booking ended: confirmed means tickets, and with a booking's fee their prices are the amount."""
        if booking["state"] != "confirmed":
            return
        self.confirmed_at = now
        self.tickets = [int(each["ticket_id"]) for each in booking["tickets"]]
        self.amount_minor = int(booking["amount_minor"] or 0)
        if not self.tickets:
            self.breaks(f"booking {booking['id']} is confirmed without tickets")
        elif not _adds_up(booking):
            self.breaks(f"booking {booking['id']} costs {self.amount_minor}, which is not what its tickets do")


def _adds_up(booking: Mapping[str, Any]) -> bool:
    """Whether the amount is tickets and fees, and tax where that is on top; the tickets alone are never more."""
    amount = int(booking["amount_minor"])
    on_top = 0 if booking["taxes_included"] else int(booking["taxes_minor"])
    parts = int(booking["tickets_minor"]) + int(booking["fees_minor"]) + on_top
    tickets = sum(int(each["total_minor"]) for each in booking["tickets"])
    return parts == amount and (tickets <= amount if booking["fees_minor"] else tickets == amount)
