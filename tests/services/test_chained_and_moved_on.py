"""A line that was chained holds whatever is done by the rules to its booking afterwards: also when a guest signs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from onsale.db import cancellations, doors, handovers, holds, pricing, refunds
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, TicketId
from onsale.db.states import BookingState
from onsale.workers import chaining
from onsale.workers.cancellations import carry_on
from onsale.workers.expiry import sweep
from onsale.workers.refunds import settle
from tests.builders import a_buyer, booking, let_the_hold_run_out, until
from tests.services.refunding import ask
from tests.services.small_sale import Sale, verified
from tests.services.test_paid_elsewhere import a_failed_refund
from tests.services.test_waiting_list import House


def chain_all(engine: Any) -> None:
    while chaining.chain(engine):
        pass


def broken_chain(shop: Any, event_id: Any) -> list[str]:
    chain_all(shop.engine)
    verdict = verified(shop, event_id, agree_seconds=10.0)
    (chained,) = (one for one in verdict.findings if one.invariant == "I12")
    return list(chained.examples)


def hand_over(engine: Any, booking_id: BookingId, taker: BuyerId) -> int:
    """As signing in does it on record."""
    found = booking(engine, booking_id)
    with transaction(engine) as connection:
        handovers.record(
            connection,
            found.event_id,
            giver=found.buyer_id,
            taker=taker,
            gave=found.number,
            number=found.number,
            given_up=None,
            joined_at_ms=1,
        )
        return handovers.move_bookings(connection, giver=found.buyer_id, taker=taker)


def a_guest_signs_in(sale: Sale) -> None:
    taker = a_buyer(sale.engine)
    for each in (sale.paid[0], sale.held, sale.late):
        assert hand_over(sale.engine, each, taker) == 1


def is_given_back(sale: Sale) -> None:
    ask(sale.shop, sale.paid[0])
    settle(sale.shop, sale.paid[0])


def is_refused_by_the_bank_and_asked_again(sale: Sale) -> None:
    failed = a_failed_refund(sale.shop, sale.paid[0])
    chain_all(sale.engine)
    with transaction(sale.engine) as connection:
        assert refunds.again(connection, failed)
    settle(sale.shop, sale.paid[0])


def comes_in_at_the_door(sale: Sale) -> None:
    with transaction(sale.engine) as connection:
        tickets = "SELECT ticket_id FROM booking_tickets WHERE booking_id = %s"
        ticket_id = connection.exec_driver_sql(tickets, (sale.paid[0],)).scalar_one()
        assert doors.check_in(connection, TicketId(ticket_id))


def takes_longer_and_lets_it_run_out(sale: Sale) -> None:
    with transaction(sale.engine) as connection:
        holds.extend(connection, sale.held, buyer_id=booking(sale.engine, sale.held).buyer_id)
    chain_all(sale.engine)
    let_the_hold_run_out(sale.engine, sale.held)
    sweep(sale.shop)


def cancels(sale: Sale) -> None:
    with transaction(sale.engine) as connection:
        holds.cancel(connection, sale.held, buyer_id=booking(sale.engine, sale.held).buyer_id)


def costs_more_by_now(sale: Sale) -> None:
    with transaction(sale.engine) as connection:
        pricing.change(connection, sale.event_id, terms={}, prices_minor={1: 9900}, actor="test")


def is_called_off(sale: Sale) -> None:
    with transaction(sale.engine) as connection:
        cancellations.begin(connection, sale.event_id, reason="rain", actor="test")

    def is_over() -> bool:
        carry_on(sale.shop, sale.event_id, settled_seconds=0.0)
        for each in sale.paid:
            settle(sale.shop, each)
        return all(booking(sale.engine, each).state is BookingState.REFUNDED for each in sale.paid)

    until(is_over, "everything is given back")


LATER: tuple[Callable[[Sale], None], ...] = (
    a_guest_signs_in,
    is_given_back,
    is_refused_by_the_bank_and_asked_again,
    comes_in_at_the_door,
    takes_longer_and_lets_it_run_out,
    cancels,
    costs_more_by_now,
    is_called_off,
)


@pytest.mark.parametrize("later", LATER, ids=lambda later: later.__name__)
def test_what_was_chained_before_it_holds(sale, later):
    chain_all(sale.engine)

    later(sale)

    assert broken_chain(sale.shop, sale.event_id) == []


def test_all_of_it_one_after_the_other_and_a_sign_in_in_between(sale):
    for later in (a_guest_signs_in, costs_more_by_now, cancels, is_called_off):
        chain_all(sale.engine)
        later(sale)

    assert broken_chain(sale.shop, sale.event_id) == []


def test_what_was_chained_only_after_the_sign_in_holds(sale):
    a_guest_signs_in(sale)

    assert broken_chain(sale.shop, sale.event_id) == []


@pytest.mark.parametrize("whose", ["nobody's in particular", "somebody's who took another guest's place"])
def test_a_booking_that_was_given_to_another_by_hand_is_found(sale, whose):
    chain_all(sale.engine)
    taker = a_buyer(sale.engine)
    if whose.startswith("somebody"):
        hand_over(sale.engine, sale.paid[1], taker)

    sale.damage(f"UPDATE bookings SET buyer_id = '{taker}' WHERE id = :paid")

    assert any("says something else than the record" in one for one in broken_chain(sale.shop, sale.event_id))


@pytest.fixture
def house(paying_shop, engine):
    """A show that was sold out, whose list has one who is offered a ticket that came back."""
    return House(paying_shop, engine, 1, 1)


def test_an_offer_that_went_along_with_its_booking_holds(house):
    (guest,) = house.listed(7)
    house.come_back(0)
    house.round()
    offer = house.offer_of(guest)
    chain_all(house.engine)

    assert hand_over(house.engine, offer, a_buyer(house.engine)) == 1

    assert broken_chain(house.shop, house.event_id) == []
