"""What the tests of letters work with: buyers with an address, bookings that end in letters, a shop with a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine

from onsale.db import buyers, letters
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, BuyerId
from onsale.db.letters import Letter
from onsale.db.wishes import Wish
from onsale.workers import payments
from onsale.workers.lanes import work_lane
from onsale.workers.shop import Shop
from tests.builders import a_booking, an_event, run_sql, seat
from tests.mail_server import MailServer

VISA, DECLINED, THREE_D_SECURE = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"
ADA = "ada@example.org"
FROM = "Onsale <tickets@onsale.example>"


def a_reader(engine: Engine, email: str | None = ADA) -> BuyerId:
    """A buyer whom a letter can reach; None: one whom none can."""
    buyer_id = BuyerId(uuid4())
    with transaction(engine) as connection:
        buyers.add_guest(connection, buyer_id, email=email)
    return buyer_id


def hands_free(shop: Shop, card: str = VISA, *, email: str | None = ADA) -> BookingId:
    """A booking of seat 1 whose saved card is charged while its buyer is away."""
    event_id = an_event(shop.engine)
    booking_id = a_booking(
        shop.engine,
        event_id,
        Wish(tickets=(seat(event_id, 1),)),
        number=1,
        buyer_id=a_reader(shop.engine, email),
        payment_method=card,
    )
    work_lane(shop, event_id, last_look=True)
    payments.resume(shop, booking_id)
    return booking_id


def confirmed_free(shop: Shop, how_many: int = 1, *, email: str = ADA, prefix: bool = False) -> list[BookingId]:
    """Bookings that cost nothing, confirmed without a bank; `prefix`: each to an address of its own, 1-ada@..."""
    event_id = an_event(shop.engine, sections=[NewSection(1, "Floor", 0, standing=how_many)])
    made = [
        a_booking(
            shop.engine,
            event_id,
            Wish(quantity=1),
            number=number,
            buyer_id=a_reader(shop.engine, f"{number}-{email}" if prefix else email),
        )
        for number in range(1, how_many + 1)
    ]
    work_lane(shop, event_id, last_look=True)
    for booking_id in made:
        payments.resume(shop, booking_id)
    return made


def with_server(shop: Any, server: MailServer, **config: Any) -> Shop:
    """The shop with its letters going to this server."""
    changed: Shop = replace(
        shop, config=replace(shop.config, smtp_url=config.pop("smtp_url", server.url), mail_from=FROM, **config)
    )
    return changed


def letters_of(engine: Engine, booking_id: BookingId) -> list[Letter]:
    """The letters about a booking, oldest first."""
    with reading(engine) as connection:
        return list(letters.of_booking(connection, booking_id))


def the_letter(engine: Engine, booking_id: BookingId) -> Letter:
    """The one letter about a booking."""
    (only,) = letters_of(engine, booking_id)
    return only


def make_due(engine: Engine) -> None:
    """As if every wait and every lease had passed."""
    run_sql(engine, "UPDATE letters SET due_at = clock_timestamp() WHERE state IN ('waiting', 'sending')")
