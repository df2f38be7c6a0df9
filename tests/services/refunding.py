"""What the tests of refunds begin with: a paid booking, a refund asked for as the web does, and who asks for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx

from onsale.db import catalogue, disputes, refund_requests
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId
from onsale.db.refund_requests import Requested, Wanted
from onsale.db.refunds import RefundReason
from onsale.db.staff import Role, Staff, put
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.ledger import StripeLedger
from onsale.web import auth, tokens
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, an_event, booking, open_queue, seat
from tests.services.serving import Person

VISA = "pm_card_visa"
PRICE = 4500


def a_paid_booking(
    shop: Any,
    *,
    tickets: int = 2,
    event_id: EventId | None = None,
    number: int = 1,
    buyer_id: BuyerId | None = None,
    card: str = VISA,
) -> BookingId:
    """A confirmed booking of the first seats of a row, at 45.00 each."""
    if event_id is None:
        event_id = an_event(shop.engine)
        open_queue(shop, event_id)
    wish = Wish(tickets=tuple(seat(event_id, n) for n in range(number, number + tickets)))
    booking_id = a_booking(shop.engine, event_id, wish, number=number, payment_method=card, buyer_id=buyer_id)
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


def a_member(engine: Any, role: Role = Role.ADMIN, organiser: str = "Test organiser") -> UUID:
    """A member of an organiser's staff; the tests' events are of "Test organiser"."""
    with transaction(engine) as connection:
        organiser_id = catalogue.add_organiser(connection, organiser)
        one = Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password")
        return put(connection, one).id


def staff_person(web: Any, member: UUID) -> Person:
    """Them, at the API."""
    return Person(web.http, tokens.sign(web.office.config, member, audience=tokens.STAFF), str(member))


def signed_in(web: Any, subject: Any, *, staff: bool) -> httpx.Client:
    """A browser without JavaScript, signed in."""
    audience = tokens.STAFF if staff else tokens.BUYERS
    client = httpx.Client(base_url=web.address, follow_redirects=True, timeout=20)
    client.cookies.set(
        auth._cookie(web.office.config, staff), tokens.sign(web.office.config, subject, audience=audience)
    )
    return client


def press(client: httpx.Client, page: str, form: str, **fields: str) -> httpx.Response:
    """Send a form of this page."""
    key = client.get(page).text.split('csrf_token"', 1)[1].split('="', 1)[1].split('"', 1)[0]
    answer = client.post(form, data={**fields, "csrf_token": key})
    assert answer.status_code == 200, answer.text
    return answer


def dispute(engine: Any, booking_id: BookingId, status: str) -> None:
    """The buyer's bank wants all of it back, as far as the record was told."""
    with transaction(engine) as connection:
        intent_id = connection.exec_driver_sql("SELECT intent_id FROM payments").scalar_one()
        words = {"currency": "eur", "reason": "fraudulent", "status": status}
        closed = status in ("won", "lost")
        assert disputes.told(connection, "dp_1", intent_id, closed=closed, amount_minor=2 * PRICE, **words)
