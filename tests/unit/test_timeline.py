"""What a buyer reads of a booking's way: what was done, where it stands, what is to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from onsale.db.bookings import Booking, Move
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.states import ENDED, LEGAL_MOVES
from onsale.db.states import BookingState as S
from onsale.web.timeline import WORDS, Standing, timeline

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
BOOKING = Booking(
    id=BookingId(UUID(int=7)),
    event_id=EventId(1),
    buyer_id=BuyerId(UUID(int=1)),
    number=1,
    return_number=None,
    state=S.QUEUED,
    version=1,
    wishes=(),
    payment_method=None,
    tickets_wanted=1,
    tickets_taken=1,
    amount_minor=4500,
    currency="eur",
    admission_id="1",
    idempotency_key="key",
    request_hash=b"",
    hold_version=None,
    hold_until=None,
    hold_extensions=0,
    voiding=False,
    reason=None,
    created_at=NOW,
    queued_at=NOW,
    decided_at=None,
    ended_at=None,
)


def told(*states: S, **changed: Any) -> list[tuple[str, str]]:
    """Each step's standing and words, after these moves."""
    booking = replace(BOOKING, state=states[-1], **changed)
    return [(step.standing.value, step.words) for step in timeline(booking, moves(*states))]


def moves(*states: S) -> list[Move]:
    before = (None, *states)
    return [Move(n, before[n - 1], state, NOW + timedelta(seconds=n), None) for n, state in enumerate(states, start=1)]


def test_a_booking_that_is_held_has_the_card_the_tickets_and_the_payment_ahead():
    assert told(S.QUEUED, S.HELD) == [
        ("done", "Booking received"),
        ("now", "Tickets held for you"),
        ("ahead", "Card authorised"),
        ("ahead", "Tickets secured"),
        ("ahead", "Payment captured"),
    ]


def test_a_paid_booking_is_authorised_then_secured_then_captured_and_nothing_is_ahead():
    assert told(S.QUEUED, S.HELD, S.AUTHORISING, S.AUTHORISED, S.COMMITTED, S.CONFIRMED) == [
        ("done", "Booking received"),
        ("done", "Tickets held for you"),
        ("done", "Asking your bank"),
        ("done", "Card authorised"),
        ("done", "Tickets secured"),
        ("done", "Payment captured"),
    ]


def test_a_declined_card_is_a_step_of_its_own_and_the_way_begins_again_at_the_hold():
    assert told(S.QUEUED, S.HELD, S.AUTHORISING, S.HELD)[-4:] == [
        ("now", "The card was declined; tickets still held"),
        ("ahead", "Card authorised"),
        ("ahead", "Tickets secured"),
        ("ahead", "Payment captured"),
    ]


def test_nobody_who_gets_a_ticket_for_nothing_is_told_of_a_card():
    words = [each for _, each in told(S.QUEUED, S.HELD, amount_minor=0)]

    assert words[-2:] == ["Tickets secured", "Confirmed; nothing to pay"]
    assert "Card authorised" not in words


def test_a_booking_that_is_being_cancelled_promises_no_tickets():
    ahead = [each for standing, each in told(S.QUEUED, S.HELD, S.AUTHORISING, voiding=True) if standing == "ahead"]

    assert ahead == ["Payment released, tickets back on sale"]


@pytest.mark.parametrize("state", S)
def test_every_state_has_words_and_only_what_has_ended_has_nothing_that_is_now(state):
    assert WORDS[state]
    standings = [step.standing for step in timeline(replace(BOOKING, state=state), moves(state))]

    assert standings.count(Standing.NOW) == (0 if state in ENDED else 1)
    assert standings == sorted(standings, key=["done", "now", "ahead"].index)


@pytest.mark.parametrize("state", sorted(set(S) - {S.REFUNDING}))
def test_what_is_said_to_be_ahead_can_be_reached(state):
    ahead = [
        step.name for step in timeline(replace(BOOKING, state=state), moves(state)) if step.standing is Standing.AHEAD
    ]
    reached = front = {state}
    while front:
        front = {after for before in front for after in LEGAL_MOVES[before]} - reached
        reached = reached | front

    assert {S(name) for name in ahead} <= reached


def test_what_is_made_has_its_time_and_what_is_ahead_has_none():
    steps = timeline(replace(BOOKING, state=S.HELD), moves(S.QUEUED, S.HELD))

    assert [step.at for step in steps] == [NOW + timedelta(seconds=1), NOW + timedelta(seconds=2), None, None, None]
