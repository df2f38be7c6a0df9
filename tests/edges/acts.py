"""What happens in a booking, act by act: people and the bank act over HTTP and repeat themselves, workers do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import orjson
import stripe
from flask.testing import FlaskClient
from sqlalchemy import text

from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.workers.cancellations import sweep_cancelled
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.refunds import settle
from onsale.workers.shop import Shop

VISA, DECLINED, THREE_D_SECURE = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"
NO_CARD = "pm_of_nobody"
PATIENCE_SECONDS = 20.0
# Of a seat, and what the organiser keeps of it when its buyer cancels.
PRICE, FEE = 4500, 500
FREE = "FREE-FOR-ALL"


@dataclass(frozen=True)
class World:
    """A process's parts, and whose booking it is about: one buyer of one seat. `staff`: a token of the organiser's."""

    shop: Shop
    client: FlaskClient
    event_id: EventId
    buyer_id: str
    token: str
    ticket: int
    staff: str

    def asked(self, method: str, path: str, *, key: str = "", body: object = None, token: str = "") -> Any:
        """The answer to the buyer's request, or that of another token; the same key makes it the same request."""
        headers = {"Authorization": f"Bearer {token or self.token}"} | ({"Idempotency-Key": key} if key else {})
        return self.client.open(path, method=method, headers=headers, json=body)

    def booking_id(self) -> BookingId | None:
        """The buyer's booking, if the record has one."""
        with reading(self.shop.engine) as connection:
            found = connection.execute(_BOOKING, {"event_id": self.event_id, "buyer_id": UUID(self.buyer_id)})
            one = found.scalar_one_or_none()
            return None if one is None else BookingId(one)


@dataclass(frozen=True)
class Act:
    """`again`: whoever does it (or time itself) does it all the same, once more if there was no answer. A worker's work
    is lost with the worker, and has to be found in the record.
    """

    do: Callable[[World], None]
    again: bool = False


@dataclass(frozen=True)
class Story:
    """A booking from its acceptance to its end, and how it has to end whatever was killed on the way.

    `before` and `after`: acts that another story is about, in which nobody is killed. `own_event`: it changes the whole
    event. `seats`: how many are its buyer's, beside each other.
    """

    acts: tuple[Act, ...]
    ends: str
    captured: int
    free: bool
    before: tuple[Act, ...] = ()
    after: tuple[Act, ...] = ()
    own_event: bool = False
    seats: int = 1


def book_with(card: str, *, seats: int = 1) -> Act:
    """A hands-free booking: with a card, before the turn."""
    return Act(lambda world: _book(world, seats=seats, payment_method=card), again=True)


def _book(world: World, *, seats: int = 1, **more: Any) -> None:
    body = {"wishes": [{"tickets": [world.ticket + number for number in range(seats)]}], **more}
    answer = world.asked("POST", f"/v1/events/{world.event_id}/bookings", key="book", body=body)
    assert answer.status_code == 202, answer.text


def save_a_card_and_book(world: World) -> None:
    """The buyer leaves a card of their own with the booking; asked again it is the same one."""
    saved = world.asked("POST", "/v1/cards", key="save", body={"payment_method": VISA})
    assert saved.status_code == 201, saved.text
    _book(world, payment_method=saved.json["payment_method"])


def make_a_code(world: World) -> None:
    """The organiser makes a code that takes everything off; 409 when it is there."""
    body = {"kind": "percent", "code": FREE, "percent_bp": 10_000}
    answer = world.asked("POST", f"/v1/admin/events/{world.event_id}/codes", body=body, token=world.staff)
    assert answer.status_code in (201, 409), answer.text


def book_by_code(world: World) -> None:
    """There is nothing to pay."""
    _book(world, codes=[FREE])


def one_card_pays_for(most: int | None) -> Act:
    """The organiser's limit of tickets per card, of the whole event."""

    def limit(world: World) -> None:
        with transaction(world.shop.engine) as connection:
            connection.execute(_LIMIT, {"event_id": world.event_id, "most": most})

    return Act(limit, again=True)


def decide(world: World) -> None:
    """The turn comes, and the lane decides."""
    store, end = world.shop.store, time.monotonic() + PATIENCE_SECONDS
    while store.snapshot(world.event_id).serving < _number(world):
        assert time.monotonic() < end, "its turn did not come"
        store.advance(world.event_id)
    # Once: the same edges each time.
    work_lane(world.shop, world.event_id, last_look=True)


def carry_on(world: World) -> None:
    """What a payments worker does with a wake-up."""
    if (booking_id := world.booking_id()) is not None:
        resume(world.shop, booking_id)


def pay_with(card: str) -> Act:
    """Another card, by the buyer."""

    def pay(world: World) -> None:
        path = f"/v1/bookings/{world.booking_id()}/payment"
        answer = world.asked("POST", path, key="pay", body={"payment_method": card})
        assert answer.status_code in (200, 202), answer.text

    return Act(pay, again=True)


def say_yes_at_the_bank(world: World) -> None:
    """The buyer on the bank's own page; clicked twice it does nothing more."""
    with reading(world.shop.engine) as connection:
        page = connection.execute(_BANKS_PAGE, {"booking_id": world.booking_id()}).scalar_one()
    assert httpx.post(page, data={"outcome": "complete"}).status_code in (200, 303)


def hear_from_the_bank(world: World) -> None:
    """The webhook of what happened last."""
    thing = {"id": "pi_1", "object": "payment_intent", "metadata": {"booking_id": str(world.booking_id())}}
    _hear(world, "payment_intent.amount_capturable_updated", thing)


def hear_of_the_refund_by_hand(world: World) -> None:
    """The webhook of what somebody gave back in the bank's own dashboard."""
    charge = {"id": "ch_1", "payment_intent": _intent(world), "amount_refunded": PRICE - FEE, "metadata": {}}
    _hear(world, "charge.refunded", charge)


def _hear(world: World, kind: str, thing: Mapping[str, object]) -> None:
    """A webhook, signed as the bank signs it."""
    body = orjson.dumps({"id": f"evt_{kind}_{world.buyer_id}", "type": kind, "data": {"object": thing}})
    secret = world.shop.config.stripe_webhook_secret
    signed = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time()))
    headers = {"Stripe-Signature": signed, "Content-Type": "application/json"}
    answer = world.client.post("/v1/webhooks/stripe", data=body, headers=headers)
    assert answer.status_code == 204, answer.text


def cancel(world: World) -> None:
    """The buyer does not want it any more. 409 when it has ended by now: an earlier try was heard."""
    answer = world.asked("DELETE", f"/v1/bookings/{world.booking_id()}")
    assert answer.status_code in (200, 202, 204, 409), answer.text


def give_back(world: World) -> None:
    """The buyer cancels what is paid, for the amount that the page showed."""
    path = f"/v1/bookings/{world.booking_id()}/refund"
    answer = world.asked("POST", path, key="give back", body={"amount_minor": PRICE - FEE})
    assert answer.status_code == 202, answer.text


def refund_by_hand(world: World) -> None:
    """Somebody gives it back in the bank's own dashboard."""
    world.shop.provider.refund_intent(_intent(world), amount_minor=PRICE - FEE, key=f"by hand {world.booking_id()}")


def cancel_event(world: World) -> None:
    """The organiser cancels the event; pressed twice it is cancelled once."""
    path = f"/v1/admin/events/{world.event_id}/cancel"
    answer = world.asked("POST", path, body={"reason": "The singer is ill"}, token=world.staff)
    assert answer.status_code == 202, answer.text


def end_bookings(world: World) -> None:
    """What the sweeps worker does for cancelled events."""
    sweep_cancelled(world.shop)


def settle_refund(world: World) -> None:
    """What a payments worker does with the wake-up of a refund."""
    if (booking_id := world.booking_id()) is not None:
        settle(world.shop, booking_id)


def let_time_pass(world: World) -> None:
    """The hold's deadline, a second ago."""
    with transaction(world.shop.engine) as connection:
        connection.execute(_OVERDUE, {"event_id": world.event_id, "id": world.booking_id()})


def sweep_up(world: World) -> None:
    """What the sweeps worker does every second."""
    sweep(world.shop)


def _intent(world: World) -> str:
    with reading(world.shop.engine) as connection:
        return str(connection.execute(_INTENT, {"booking_id": world.booking_id()}).scalar_one())


def _number(world: World) -> int:
    with reading(world.shop.engine) as connection:
        found = connection.execute(_NUMBER, {"event_id": world.event_id, "buyer_id": UUID(world.buyer_id)})
        return int(found.scalar_one())


CARRY_ON, DECIDE = Act(carry_on), Act(decide)
PAID = (book_with(VISA), DECIDE, CARRY_ON)
YES = Act(say_yes_at_the_bank, again=True)
BANK_SAID_YES = (YES, Act(hear_from_the_bank, again=True), CARRY_ON)
GIVEN_BACK = (Act(give_back, again=True), Act(settle_refund))
BY_HAND = Act(refund_by_hand, again=True)
STORIES: Mapping[str, Story] = {
    "paid": Story(PAID, "confirmed", 1, free=False),
    "paid with another card": Story(
        (book_with(DECLINED), DECIDE, CARRY_ON, pay_with(VISA), CARRY_ON), "confirmed", 1, free=False
    ),
    "paid with 3-D Secure": Story(
        (book_with(THREE_D_SECURE), DECIDE, CARRY_ON, *BANK_SAID_YES), "confirmed", 1, free=False
    ),
    "cancelled while the bank asks": Story(
        (book_with(THREE_D_SECURE), DECIDE, CARRY_ON, Act(cancel, again=True), CARRY_ON), "cancelled", 0, free=True
    ),
    "too late": Story(
        (book_with(THREE_D_SECURE), DECIDE, CARRY_ON, Act(let_time_pass, again=True), Act(sweep_up), CARRY_ON),
        "expired",
        0,
        free=True,
    ),
    "a card over its limit": Story(
        (CARRY_ON, Act(cancel, again=True)),
        "cancelled",
        0,
        free=True,
        before=(one_card_pays_for(1), book_with(VISA, seats=2), DECIDE),
        seats=2,
    ),
    "a card over its limit when the bank has said yes": Story(
        (one_card_pays_for(1), YES, CARRY_ON, one_card_pays_for(None), pay_with(VISA), CARRY_ON),
        "confirmed",
        1,
        free=False,
        before=(one_card_pays_for(2), book_with(THREE_D_SECURE, seats=2), DECIDE, CARRY_ON),
        seats=2,
    ),
    "another card while the bank asks": Story(
        (pay_with(NO_CARD), CARRY_ON),
        "confirmed",
        1,
        free=False,
        before=(book_with(THREE_D_SECURE), DECIDE, CARRY_ON),
        after=(YES, CARRY_ON),
    ),
    "free by a code": Story(
        (DECIDE, CARRY_ON),
        "confirmed",
        0,
        free=False,
        before=(Act(make_a_code, again=True), Act(book_by_code, again=True)),
    ),
    "a saved card": Story(
        (Act(save_a_card_and_book, again=True),), "confirmed", 1, free=False, after=(DECIDE, CARRY_ON)
    ),
    "given back": Story(GIVEN_BACK, "refunded", 1, free=True, before=PAID),
    "given back where it was given back by hand": Story(GIVEN_BACK, "refunded", 1, free=True, before=(*PAID, BY_HAND)),
    "given back by hand": Story(
        (BY_HAND, Act(hear_of_the_refund_by_hand, again=True), Act(settle_refund)),
        "refunded",
        1,
        free=True,
        before=PAID,
        after=GIVEN_BACK,
    ),
    "event cancelled": Story(
        (Act(cancel_event, again=True), Act(end_bookings), Act(settle_refund)),
        "refunded",
        1,
        free=True,
        before=PAID,
        own_event=True,
    ),
}

_BOOKING = text("SELECT id FROM bookings WHERE event_id = :event_id AND buyer_id = :buyer_id")
_LIMIT = text("UPDATE events SET tickets_per_card = :most WHERE id = :event_id")
_INTENT = text("SELECT intent_id FROM payments WHERE booking_id = :booking_id")
_NUMBER = text("SELECT number FROM bookings WHERE event_id = :event_id AND buyer_id = :buyer_id")
_BANKS_PAGE = text("""
    SELECT next_action_url FROM payment_attempts
     WHERE booking_id = :booking_id AND next_action_url IS NOT NULL ORDER BY attempt DESC LIMIT 1
""")
_OVERDUE = text("""
    UPDATE bookings SET hold_until = clock_timestamp() - interval '1 second'
     WHERE event_id = :event_id AND id = :id AND hold_until IS NOT NULL
""")
