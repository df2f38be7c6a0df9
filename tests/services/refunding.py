"""What the tests of refunds begin with: a paid booking, and a refund asked for as the web does."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from onsale.db import refund_requests
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId
from onsale.db.refund_requests import Requested, Wanted
from onsale.db.refunds import RefundReason
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.ledger import StripeLedger
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, an_event, booking, open_queue, seat

VISA = "pm_card_visa"
PRICE = 4500


def a_paid_booking(
    shop: Any, *, tickets: int = 2, event_id: EventId | None = None, number: int = 1, buyer_id: BuyerId | None = None
) -> BookingId:
    """A confirmed booking of the first seats of a row, at 45.00 each."""
    if event_id is None:
        event_id = an_event(shop.engine)
        open_queue(shop, event_id)
    wish = Wish(tickets=tuple(seat(event_id, n) for n in range(number, number + tickets)))
    booking_id = a_booking(shop.engine, event_id, wish, number=number, payment_method=VISA, buyer_id=buyer_id)
    work_lane(shop, event_id, last_look=True)
    resume(shop, booking_id)
    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED
    return booking_id


def ask(shop: Any, booking_id: BookingId, *, tickets: tuple[TicketId, ...] | None = None, **more: Any) -> Requested:
    """Ask for a refund of these tickets, or of all."""
    reason = more.pop("reason", RefundReason.ORGANISER)
    wanted = Wanted(uuid4(), reason, "test", tickets=tickets, **more)
    with transaction(shop.engine) as connection:
        asked = refund_requests.request(connection, booking_id, wanted)
    shop.ticket_cache.clear(asked.refund.event_id, asked.freed)
    return asked


def given_back(shop: Any, booking_id: BookingId) -> int:
    """What the bank has given back of the booking's payment."""
    with shop.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT intent_id FROM payments WHERE booking_id = %s", (booking_id,))
        intent_id = found.scalar_one()
    ledger = StripeLedger(secret_key=shop.config.stripe_secret_key, api_base=shop.config.stripe_api_base)
    try:
        return ledger.refunded(intent_id)
    finally:
        ledger.close()
