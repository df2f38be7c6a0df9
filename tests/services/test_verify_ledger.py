"""`onsale verify` holds the record against the provider's own books, which it reads from both sides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from onsale.db.ids import EventId
from onsale.db.wishes import Wish
from onsale.payments.ledger import PAGE, Entry, Ledger, StripeLedger
from onsale.verify import money
from onsale.verify.check import verify
from onsale.verify.money import AGAIN_MAX, Compared, Payment
from onsale.verify.verdict import Finding
from onsale.workers import payments
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, run_sql, seat
from tests.services.small_sale import VISA, Sale


@pytest.fixture
def bank_api(sale: Sale) -> Any:
    """The provider, for what no code of ours does."""
    return sale.shop.provider._api  # type: ignore[attr-defined]  # the interface has no such calls, and should not


def taken(bank_api: Any, booking: object, **params: Any) -> Any:
    """A payment at the provider that names this booking."""
    wanted = {"amount": 4500, "currency": "eur", "confirm": True, "payment_method": VISA}
    allowed = {"allowed_payment_method_types": ["card"], "metadata": {"booking_id": str(booking)}}
    return bank_api.payment_intents.create(wanted | allowed | params)


def on_record(sale: Sale, booking: object, intent: Any) -> None:
    """As if the payment had been ours."""
    run_sql(
        sale.engine,
        """INSERT INTO payments (event_id, booking_id, intent_id, client_secret, status, amount_minor, currency)
           VALUES (:event_id, :booking, :intent, 'secret', 'x', 4500, 'eur')""",
        event_id=sale.event_id,
        booking=booking,
        intent=intent.id,
    )


def with_ledger(sale: Sale, ledger: Ledger, *, agree_seconds: float) -> Finding:
    verdict = verify(sale.engine, sale.event_id, ledger=ledger, copies_at=None, agree_seconds=agree_seconds)
    return next(finding for finding in verdict.findings if finding.invariant == "I2")


def test_a_second_capture_for_a_booking_is_found(sale: Sale, bank_api: Any) -> None:
    twin = taken(bank_api, sale.paid[0])

    assert sale.finding("I2").examples == (
        f"booking {sale.paid[0]} was paid 4500 by {twin.id} too, not its own payment",
    )


@pytest.mark.parametrize("of", ["paid", "ended"])
def test_money_reserved_a_second_time_for_a_booking_is_found_until_it_is_let_go(
    sale: Sale, bank_api: Any, of: str
) -> None:
    booking = sale.paid[0] if of == "paid" else sale.late
    if of == "ended":
        on_record(sale, booking, taken(bank_api, booking, confirm=False))
    twin = taken(bank_api, booking, capture_method="manual")
    before = sale.finding("I2")

    bank_api.payment_intents.cancel(twin.id)

    assert before.examples == (
        f"the provider reserves 4500 for booking {booking} by {twin.id} too, not its own payment",
    )
    assert sale.finding("I2").ok


def test_money_taken_for_a_booking_without_tickets_is_found_until_it_is_given_back(sale: Sale, bank_api: Any) -> None:
    intent = taken(bank_api, sale.late)
    on_record(sale, sale.late, intent)
    before = sale.finding("I2")

    bank_api.refunds.create({"payment_intent": intent.id})

    assert before.examples == (
        f"booking {sale.late} (expired) has no tickets, and the provider keeps 4500 taken by {intent.id}",
    )
    assert sale.finding("I2").ok


def test_money_given_back_of_a_booking_that_has_its_tickets_is_found(sale: Sale, bank_api: Any) -> None:
    with sale.engine.connect() as connection:
        query = "SELECT intent_id FROM payments WHERE booking_id = %s"
        intent = connection.exec_driver_sql(query, (str(sale.paid[0]),)).scalar_one()

    bank_api.refunds.create({"payment_intent": intent, "amount": 1000})

    assert sale.finding("I2").examples == (
        f"booking {sale.paid[0]} (confirmed) has its tickets, and the provider gave back 1000 of {intent}",
    )


def test_money_still_reserved_for_a_booking_that_ended_is_found_when_it_had_time_to_be_let_go(
    sale: Sale, bank_api: Any
) -> None:
    intent = taken(bank_api, sale.late, capture_method="manual")
    on_record(sale, sale.late, intent)
    at_once = sale.finding("I2")

    run_sql(sale.engine, "UPDATE bookings SET ended_at = now() - interval '1 hour' WHERE id = :id", id=sale.late)

    assert at_once.ok
    assert sale.finding("I2").examples == (
        f"booking {sale.late} (expired) has ended, and the provider still reserves 4500 by {intent.id}",
    )


def test_another_amount_or_currency_at_the_provider_is_found(sale: Sale) -> None:
    run_sql(sale.engine, "UPDATE bookings SET currency = 'usd' WHERE id = :id", id=sale.paid[0])
    sale.damage("UPDATE captures SET amount_minor = 1 WHERE booking_id = :other")

    said = " ".join(sale.finding("I2").examples)

    assert f"booking {sale.paid[0]} (confirmed) is in usd" in said
    assert f"booking {sale.paid[1]} (confirmed) took 1 on record, the provider 4500" in said


def test_every_page_of_the_ledger_is_read(sale: Sale, bank_api: Any) -> None:
    """The payment nobody knows is the oldest of more than two pages."""
    unknown = taken(bank_api, str(sale.paid[0])[:-4] + "0000")
    for _ in range(2 * PAGE + 1):
        bank_api.payment_intents.create({"amount": 100, "currency": "eur"})

    found = sale.finding("I2")

    assert [unknown.id in example for example in found.examples] == [True]
    assert "5 payments, 5 captures" in found.note


class SaleGoesOn(StripeLedger):
    """The provider's books; a booking is paid while they are being read."""

    sale: Sale

    def payments(self, since: datetime) -> Iterator[Entry]:
        entries = list(super().payments(since))
        paying = a_booking(
            self.sale.engine,
            self.sale.event_id,
            Wish(tickets=(seat(self.sale.event_id, 7),)),
            number=8,
            payment_method=VISA,
        )
        work_lane(self.sale.shop, self.sale.event_id, last_look=True)
        payments.resume(self.sale.shop, paying)
        with_new = super().payments(since)
        yield next(with_new)
        yield from entries


def test_a_payment_made_while_the_books_were_read_is_no_difference(sale: Sale) -> None:
    """The record was read before the booking, the ledger after it: the record is asked again."""
    config = sale.shop.config
    books = SaleGoesOn(secret_key=config.stripe_secret_key, api_base=config.stripe_api_base)
    books.sale = sale
    try:
        found = with_ledger(sale, books, agree_seconds=0.0)
    finally:
        books.close()

    assert found.ok, found.examples
    assert "5 captures" in found.note


class OldBooks(StripeLedger):
    """The provider's books as they were before the first capture; one by one they are as they are."""

    def payments(self, since: datetime) -> Iterator[Entry]:
        for entry in super().payments(since):
            yield Entry(entry.intent_id, entry.booking_id, 0, entry.captured_minor, entry.currency)


def test_a_payment_that_went_on_after_its_page_was_read_is_asked_for_again(sale: Sale) -> None:
    config = sale.shop.config
    books = OldBooks(secret_key=config.stripe_secret_key, api_base=config.stripe_api_base)
    try:
        at_once, patiently = with_ledger(sale, books, agree_seconds=0.0), with_ledger(sale, books, agree_seconds=5.0)
    finally:
        books.close()

    assert (at_once.ok, at_once.count) == (False, 4)
    assert patiently.ok


class EmptyBooks:
    """A provider that has forgotten everything; counts how often it is asked for one payment."""

    def __init__(self) -> None:
        self.asked = 0

    def payments(self, since: datetime) -> Iterator[Entry]:
        return iter(())

    def refunds(self, since: datetime) -> Iterator[tuple[str, int]]:
        return iter(())

    def payment(self, intent_id: str) -> Entry | None:
        self.asked += 1
        return None

    def refunded(self, intent_id: str) -> int:
        return 0


def compared_with_nothing(how_many: int) -> tuple[Compared, int]:
    """So many payments on record and none at the provider."""
    recorded = [Payment(f"b{n}", f"pi_{n}", "confirmed", 1, "eur", 1, 0, 0, 0.0) for n in range(how_many)]
    books = EmptyBooks()
    since = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    compared = money.compare(EventId(1), lambda _: recorded, books, since=since, patience_seconds=0.3)
    return compared, books.asked


def test_what_differs_is_asked_for_again_up_to_a_limit_and_counted_whole() -> None:
    at_most, above = compared_with_nothing(AGAIN_MAX), compared_with_nothing(AGAIN_MAX + 1)

    assert (len(at_most[0].differences), at_most[1]) == (AGAIN_MAX, AGAIN_MAX)
    assert (len(above[0].differences), above[1]) == (AGAIN_MAX + 1, AGAIN_MAX)
