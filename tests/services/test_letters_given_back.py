"""Letters about money given back say what is so when they are sent."""

from __future__ import annotations

from typing import Any

from onsale.db import cancellations, letters, pricing
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId
from onsale.db.letters import LetterKind
from onsale.db.refund_rules import RefundRules
from onsale.mail.drawing import Drawn
from onsale.workers import letters as words
from onsale.workers.cancellations import carry_on
from onsale.workers.refunds import settle
from tests.builders import an_event, booking, open_queue, run_sql, seat
from tests.services.refunding import a_paid_booking, ask


def a_reachable_booking(shop: Any) -> BookingId:
    booking_id = a_paid_booking(shop)
    run_sql(shop.engine, "UPDATE buyers SET email = 'ann@example.org'")
    return booking_id


def drawn(shop: Any, booking_id: BookingId, kind: LetterKind) -> Drawn:
    with reading(shop.engine) as connection:
        (letter,) = (one for one in letters.of_booking(connection, booking_id) if one.kind is kind)
        return words.drawn(connection, letter, public_url="https://tickets.example")


def give_back(shop: Any, booking_id: BookingId, ordinal: int) -> None:
    event_id = booking(shop.engine, booking_id).event_id
    ask(shop, booking_id, tickets=(seat(event_id, ordinal),), rules=RefundRules(24, fee_minor=500))
    settle(shop, booking_id)


def test_each_refund_writes_a_letter_that_tells_of_all_until_then(paying_shop, engine):
    booking_id = a_reachable_booking(paying_shop)

    give_back(paying_shop, booking_id, 1)
    first = drawn(paying_shop, booking_id, LetterKind.REFUNDED)
    run_sql(engine, "UPDATE letters SET state = 'sent' WHERE kind = 'refunded'")
    give_back(paying_shop, booking_id, 2)
    second = drawn(paying_shop, booking_id, LetterKind.REFUNDED)

    assert ("seat 1:" in first.text, "seat 2:" in first.text, "keeps 5.00" in first.text) == (True, False, True)
    assert ("seat 1:" in second.text, "seat 2:" in second.text, "keeps 10.00" in second.text) == (True, True, True)
    assert "Given back: 80.00" in second.text


def test_whose_event_is_cancelled_reads_why_and_what_comes_back(paying_shop, engine):
    booking_id = a_reachable_booking(paying_shop)
    event_id = booking(engine, booking_id).event_id
    with transaction(engine) as connection:
        cancellations.begin(connection, event_id, reason="The singer is ill.", actor="test")

    carry_on(paying_shop, event_id)
    letter = drawn(paying_shop, booking_id, LetterKind.EVENT_CANCELLED)

    assert "does not take place: The singer is ill." in letter.text
    assert "Given back: 90.00" in letter.text


def test_a_booking_fee_that_is_kept_is_told_and_one_that_comes_back_is_a_line(paying_shop, engine):
    event_id = an_event(engine)
    with transaction(engine) as connection:
        pricing.change(connection, event_id, terms={"booking_fee_minor": 200}, prices_minor={}, actor="test")
    open_queue(paying_shop, event_id)
    booking_id = a_paid_booking(paying_shop, event_id=event_id)
    run_sql(engine, "UPDATE buyers SET email = 'ann@example.org'")

    for ordinal in (1, 2):
        ask(paying_shop, booking_id, tickets=(seat(event_id, ordinal),))
        settle(paying_shop, booking_id)
        letter = drawn(paying_shop, booking_id, LetterKind.REFUNDED)
        run_sql(engine, "UPDATE letters SET state = 'sent' WHERE kind = 'refunded'")
        kept, line = "The booking fee of 2.00 EUR is not given back", "- Booking fee: 2.00 EUR"
        assert (kept in letter.text, line in letter.text) == (ordinal == 1, ordinal == 2)
        assert (kept in letter.html) == (ordinal == 1)
        assert f"Given back: {'45.00' if ordinal == 1 else '92.00'} EUR" in letter.text
