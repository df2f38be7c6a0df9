"""`onsale why` tells support what happened to a booking or a buyer, and why, in sentences."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from onsale.cli import main
from onsale.db.states import BookingState
from onsale.web import why
from tests.builders import booking, run_sql
from tests.services.test_handing_over import an_account, signs_in


@pytest.fixture
def ask(settings, monkeypatch):
    """What the command says, and how it ends."""

    def asking(who):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, ["why", str(who)])

    return asking


def test_a_booking_that_was_refused_says_who_had_the_seat(http_sale, ask):
    told = ask(http_sale.bookings[2])

    assert told.exit_code == 0, told.output
    assert "Joined the queue and got number 3." in told.output
    assert "Let in, by run" in told.output
    assert "Refused: the seats asked for were others' (ticket 1048577 was number 1's from" in told.output


def test_a_booking_that_was_paid_and_given_back_says_so_in_order(http_sale, ask):
    told = ask(http_sale.bookings[1]).output

    wanted = ["tickets held, €45.00 in all", "Card 1: taken", "The money was taken.", "to be given back", "All of it"]
    places = [told.index(each) for each in wanted]
    assert places == sorted(places)


def test_a_buyer_is_told_by_queue_and_bookings(http_sale, ask):
    told = ask(http_sale.people[0].id).output

    assert "with number 1; it was called." in told
    assert f"Booking {http_sale.bookings[0]}: confirmed" in told


def test_an_account_is_told_of_what_its_guest_did_before_signing_in(http_sale, ask):
    account = signs_in(http_sale.web, http_sale.people[0], an_account(http_sale.web, "later@example.org"))

    told = ask(account.id).output

    assert "with number 1; it was called." in told
    assert "Joined the queue and got number 1." in told
    assert f"Booking {http_sale.bookings[0]}: confirmed" in told


def test_a_buyer_who_was_passed_over_is_told_so(sale, ask):
    number = booking(sale.engine, sale.held).number
    run_sql(sale.engine, "ALTER TABLE admission_log DISABLE TRIGGER append_only")
    run_sql(
        sale.engine, f"UPDATE admission_log SET passed = '[[{number}, {number}]]', admitted = 0 WHERE seq = {number}"
    )
    run_sql(sale.engine, "UPDATE bookings SET return_number = 1 WHERE id = :id", id=sale.held)

    told = ask(sale.held).output

    assert "passed over, its place kept. Coming back gave return number 1." in told


@pytest.mark.parametrize("who", ["nobody@example.org", "00000000-0000-4000-8000-000000000000"])
def test_who_is_not_there_is_answered_with_what_to_do(engine, ask, who):
    told = ask(who)

    assert told.exit_code == 1
    assert "Error: " in told.output


def test_there_are_words_for_every_state():
    special = {BookingState.WAITING, BookingState.HELD, BookingState.UNAVAILABLE}

    assert set(why.STATES) | special == set(BookingState)
