"""A booking from asking to paying, as its buyer drives it: book, look, pay, extend, cancel. API and pages both call these.

Everything here writes the record and wakes a worker by task name; nothing here decides who gets a ticket or talks to
the payment provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onsale.db.allocation import Wish
from onsale.db.ids import BookingId, BuyerId, EventId

if TYPE_CHECKING:
    from onsale.web.api.documents import BookingDocument
    from onsale.web.box_office import BoxOffice

WISHES_MAX = 5
KEY_CHARACTERS_MAX = 255


@dataclass(frozen=True)
class Request:
    """What a buyer asks for. `key` is the Idempotency-Key; `payment_method` a saved card, charged as soon as tickets are held."""

    event_id: EventId
    buyer_id: BuyerId
    key: str
    wishes: Sequence[Wish]
    payment_method: str | None = None
    admission_token: str | None = None
    queue_token: str | None = None
    address: str = ""
    route: str = "bookings"


def accept_booking(office: BoxOffice, request: Request) -> BookingDocument:
    """Write the booking down and wake its lane; the same key and request give the same booking.

    With an admission token it is decided at once; without one it is hands-free: it takes or keeps the buyer's number and
    waits for it. Raises NotFound, BadRequest, IdempotencyKeyReused, TicketTaken, BadAdmissionToken, AdmissionSpent,
    NotOpenYet, QueueClosed, TooManyRequests and what `joining.join` raises.
    """
    raise NotImplementedError


def booking(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> BookingDocument:
    """The public document of a booking, from the record. Raises NotFound, also for somebody else's."""
    raise NotImplementedError


def bookings_of(office: BoxOffice, buyer_id: BuyerId) -> list[BookingDocument]:
    """This buyer's bookings, newest first, at most 100."""
    raise NotImplementedError


def pay(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId, *, payment_method: str, key: str) -> BookingDocument:
    """Try this card: a new attempt in the record, and a wake-up. The same key is the same attempt.

    Raises NotFound, IllegalMove, HoldExpired, IdempotencyKeyReused.
    """
    raise NotImplementedError


def returned(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> BookingDocument:
    """The buyer came back from the bank (3-D Secure): wake `resume`, answer what the record says now."""
    raise NotImplementedError


def extend(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> BookingDocument:
    """More time to pay, a few times (WCAG 2.2.1). Raises NotFound, IllegalMove, HoldExpired."""
    raise NotImplementedError


def cancel(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> BookingDocument:
    """Cancel before it is paid; a booking that is being charged is cancelled by its worker, through the provider.

    Raises NotFound, IllegalMove.
    """
    raise NotImplementedError
