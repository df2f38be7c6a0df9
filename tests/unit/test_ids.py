"""Ids carry their event, and an id alone says which."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.ids import (
    BOOKING_ID_RANDOM_BYTES,
    EVENT_ID_MAX,
    TICKETS_PER_EVENT_MAX,
    EventId,
    booking_id,
    event_of_booking,
    event_of_ticket,
    ticket_id,
)

events = st.integers(1, EVENT_ID_MAX).map(EventId)


@given(events, st.integers(1, TICKETS_PER_EVENT_MAX))
def test_a_tickets_id_says_its_event_and_its_place(event_id, ordinal):
    ticket = ticket_id(event_id, ordinal)

    assert event_of_ticket(ticket) == event_id
    assert ticket & TICKETS_PER_EVENT_MAX == ordinal


def test_the_largest_ticket_id_is_a_number_json_keeps_exactly():
    assert ticket_id(EventId(EVENT_ID_MAX), TICKETS_PER_EVENT_MAX) < 2**53


@pytest.mark.parametrize(("event_id", "ordinal"), [(0, 1), (EVENT_ID_MAX + 1, 1), (1, 0), (1, 1 << 20), (-1, 1)])
def test_a_ticket_outside_the_range_has_no_id(event_id, ordinal):
    with pytest.raises(ValueError, match="outside the range"):
        ticket_id(EventId(event_id), ordinal)


@given(events, st.binary(min_size=BOOKING_ID_RANDOM_BYTES, max_size=BOOKING_ID_RANDOM_BYTES))
def test_a_bookings_id_is_a_uuid_of_version_8_and_says_its_event(event_id, random):
    booking = booking_id(event_id, random)

    assert (booking.version, booking.variant) == (8, uuid4().variant)
    assert event_of_booking(booking) == event_id
    assert UUID(str(booking)) == booking


@given(events, st.integers(0, 95))
def test_ninety_of_the_random_bits_are_kept(event_id, bit):
    # Six of the 96 bits say version and variant instead.
    kept = bit not in {62, 63, 76, 77, 78, 79}

    assert (booking_id(event_id, bytes(12)) != booking_id(event_id, (1 << bit).to_bytes(12, "big"))) == kept


def test_another_uuid_is_no_bookings():
    assert event_of_booking(uuid4()) is None
    assert event_of_booking(UUID("00000000-0000-8000-8000-000000000000")) is None


@pytest.mark.parametrize(("event_id", "size"), [(1, 11), (1, 13), (0, 12), (EVENT_ID_MAX + 1, 12)])
def test_a_booking_id_takes_an_event_and_twelve_bytes(event_id, size):
    with pytest.raises(ValueError, match="12 random bytes"):
        booking_id(EventId(event_id), bytes(size))
