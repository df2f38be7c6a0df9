"""How the pages say money, waits and what is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.prices import decimals
from onsale.db.states import BookingState
from onsale.web.pages import booking_words, words


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (8000, "eur", "€80.00"),
        (123456, "usd", "$1,234.56"),
        (9000, "jpy", "¥9,000"),
        (1500, "kwd", "KWD\N{NO-BREAK SPACE}1.500"),
        (1500, "omr", "OMR\N{NO-BREAK SPACE}1.500"),
        (1500, "xaf", "XAF\N{NO-BREAK SPACE}1,500"),
        (-250, "gbp", "-£2.50"),
    ],
)
def test_money_is_written_with_its_currencys_digits(minor, currency, text):
    assert words.money(minor, currency) == text


@given(st.integers(0, 999_999_999), st.sampled_from(["eur", "jpy", "kwd"]))
def test_a_price_typed_as_it_is_shown_is_the_same_price(minor, currency):
    digits = decimals(currency)
    typed = f"{minor // 10**digits}" + (f".{minor % 10**digits:0{digits}d}" if digits else "")

    if minor // 10**digits < 10_000_000:
        assert words.minor_from(typed, currency) == minor


@pytest.mark.parametrize("typed", ["-1", "1e3", "80.123", "80.", "9" * 9, "١٢", "80 EUR", "."])
def test_what_is_no_price_is_refused(typed):
    if typed == "80.":
        assert words.minor_from(typed, "eur") == 8000
    else:
        with pytest.raises(ValueError, match="a price looks like"):
            words.minor_from(typed, "eur")


def test_no_price_means_any():
    assert words.minor_from("  ", "eur") is None


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (None, None, "not known yet"),
        (5, 40, "under a minute"),
        (20, 60, "about a minute"),
        (20, 130, "up to 3 minutes"),
        (240, 360, "4 to 6 minutes"),
        (7200, 10800, "2 to 3 hours"),
    ],
)
def test_a_wait_is_a_band(low, high, text):
    assert words.band(low, high) == text


def test_nobody_is_told_more_than_helps_about_what_is_left():
    assert [words.left_words(count) for count in (0, 1, 500, 501, None)] == [
        "none left",
        "1 left",
        "500 left",
        "over 500 left",
        "not known",
    ]


@pytest.mark.parametrize("state", BookingState)
def test_every_state_has_words(state):
    told = booking_words.words_for(state)

    assert told.title
    assert told.text


def test_a_hold_that_is_being_charged_asks_for_no_card():
    assert booking_words.words_for(BookingState.HELD).wants_card
    assert not booking_words.words_for(BookingState.HELD, charging=True).wants_card
    assert booking_words.words_for(BookingState.HELD, declined=True).wants_card


@pytest.mark.parametrize("state", [BookingState.EXPIRED, BookingState.CANCELLED, BookingState.PAYMENT_FAILED])
def test_whoever_gets_no_tickets_is_told_that_nothing_was_charged(state):
    assert "not charged" in booking_words.words_for(state).text


def test_whose_show_is_cancelled_reads_so_and_not_that_the_tickets_are_on_sale():
    ends = (BookingState.CANCELLED, BookingState.REFUNDING, BookingState.REFUNDED)
    told = [booking_words.words_for(state, called_off=True) for state in ends]

    assert {words.title for words in told} == {booking_words.CALLED_OFF}
    assert not any("on sale" in words.text for words in told)
    assert (
        booking_words.words_for(BookingState.CONFIRMED, called_off=True) == booking_words.WORDS[BookingState.CONFIRMED]
    )
