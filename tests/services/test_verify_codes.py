"""`onsale verify` on sales with codes: what is right holds, and each damage to uses and discounts is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onsale.db import journal
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.journal import Admission, Join
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers import payments
from onsale.workers.admissions import tell_stock
from onsale.workers.lanes import work_lane
from tests.builders import booking, run_sql, seat, states
from tests.services.selling_codes import FIVE_OFF, a_booking_with, a_code
from tests.services.small_sale import VISA, Sale


def came(sale: Sale, numbers: list[int], booked: list[BookingId]) -> None:
    """Who booked these joined under these numbers, and was let in."""
    now = datetime.now(UTC)
    runs = [Admission(n, now + timedelta(milliseconds=50 * n), n, n, 0, 0, 1) for n in numbers]
    joins = [Join(n, booking(sale.engine, one).buyer_id, now) for n, one in zip(numbers, booked, strict=True)]
    with transaction(sale.engine) as connection:
        journal.record_admissions(connection, sale.event_id, runs)
        journal.record_joins(connection, sale.event_id, joins)


@pytest.fixture
def coded(sale: Sale) -> Sale:
    """The small sale, and two more paid bookings that used codes: two tickets less 10 % and 5.00, one less 5.00."""
    shop, engine, event_id = sale.shop, sale.engine, sale.event_id
    five = a_code(engine, event_id, replace(FIVE_OFF, uses_max=2, uses_per_buyer=1), "FIVE")
    third = a_code(engine, event_id, NewCode(CodeKind.PERCENT, percent_bp=3333, stackable=True), "THIRD")
    two = Wish(tickets=(seat(event_id, 6), seat(event_id, 5)))
    booked = [
        a_booking_with(engine, event_id, two, [five, third], number=8, payment_method=VISA),
        a_booking_with(engine, event_id, Wish(tickets=(seat(event_id, 7),)), [five], number=9, payment_method=VISA),
    ]
    came(sale, [8, 9], booked)
    work_lane(shop, event_id, last_look=True)
    for one in booked:
        while states(engine, [one]) != [BookingState.CONFIRMED]:
            payments.resume(shop, one)
    tell_stock(shop, event_id)
    return sale


def test_a_sale_with_codes_holds(coded):
    assert coded.broken() == set()


DAMAGE = {
    "a code used more often than it may be": ("I9", ["UPDATE codes SET uses_max = 1 WHERE code = 'FIVE'"]),
    "a code used twice by one buyer": (
        "I9",
        ["UPDATE code_uses SET buyer_id = (SELECT min(buyer_id::text)::uuid FROM code_uses)"],
    ),
    "a use of a code that the booking did not name": (
        "I9",
        ["UPDATE bookings SET code_ids = NULL WHERE id IN (SELECT booking_id FROM code_uses)"],
    ),
    "a ticket that was cheaper than its codes make it": (
        "I8",
        ["UPDATE ticket_discounts SET discount_minor = discount_minor + 1"],
    ),
    "a discount that nobody wrote down": ("I8", ["DELETE FROM ticket_discounts"]),
    "a code that gives something else since": ("I8", ["UPDATE codes SET amount_minor = 600 WHERE code = 'FIVE'"]),
    "a use that says it took more off": ("I8", ["UPDATE code_uses SET discount_minor = discount_minor + 1"]),
    "codes that cannot be used together": ("I8", ["UPDATE codes SET stackable = false"]),
    "a discount without its code": ("I8", ["DELETE FROM code_uses"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_damage_to_codes_is_found(coded, damage):
    invariant, statements = DAMAGE[damage]

    coded.damage(*statements)

    assert invariant in coded.broken()


def test_who_booked_before_the_opening_by_a_code_needs_no_admission_and_nobody_else_does(coded):
    presale = NewCode(CodeKind.EARLY, presale_from=datetime.now(UTC) - timedelta(hours=1))
    early = a_code(coded.engine, coded.event_id, presale)
    wish = Wish(tickets=(seat(coded.event_id, 8),))
    booked = a_booking_with(coded.engine, coded.event_id, wish, [early], number=10)
    came(coded, [10], [booked])
    run_sql(coded.engine, "UPDATE bookings SET admission_id = NULL WHERE id = :id", id=booked)
    work_lane(coded.shop, coded.event_id, last_look=True)
    tell_stock(coded.shop, coded.event_id)
    held = coded.broken()

    coded.damage("DELETE FROM code_uses")

    assert held == set()
    assert "I6" in coded.broken()
