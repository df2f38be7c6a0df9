"""Identifiers that carry their event, so that an id alone finds its shard.

A ticket's id is `event_id << 20 | ordinal`; a booking's is a UUIDv8 (RFC 9562) whose first 32 bits are the event's id
and whose other 90 free bits are random.
"""

from __future__ import annotations

from typing import NewType
from uuid import UUID

EventId = NewType("EventId", int)
TicketId = NewType("TicketId", int)
BookingId = NewType("BookingId", UUID)
BuyerId = NewType("BuyerId", UUID)

TICKETS_PER_EVENT_BITS = 20
TICKETS_PER_EVENT_MAX = (1 << TICKETS_PER_EVENT_BITS) - 1
# Together with the 20 bits of the ordinal this stays within the 53 bits that JSON numbers keep exactly.
EVENT_ID_MAX = (1 << 32) - 1
BOOKING_ID_RANDOM_BYTES = 12


def ticket_id(event_id: EventId, ordinal: int) -> TicketId:
    """The id of the event's n-th ticket; ordinals count from 1."""
    if not (0 < event_id <= EVENT_ID_MAX and 0 < ordinal <= TICKETS_PER_EVENT_MAX):
        raise ValueError(f"event {event_id}, ticket {ordinal}: outside the range of ids")
    return TicketId(event_id << TICKETS_PER_EVENT_BITS | ordinal)


def event_of_ticket(ticket: TicketId) -> EventId:
    """The event a ticket belongs to."""
    return EventId(ticket >> TICKETS_PER_EVENT_BITS)


def booking_id(event_id: EventId, random: bytes) -> BookingId:
    """A new booking's id; `random` is 12 unpredictable bytes, so that ids cannot be guessed."""
    if len(random) != BOOKING_ID_RANDOM_BYTES or not 0 < event_id <= EVENT_ID_MAX:
        raise ValueError("a booking id takes a valid event and 12 random bytes")
    value = event_id << 96 | int.from_bytes(random, "big")
    # By hand: uuid.UUID takes a version above 5 only from Python 3.14 on.
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return BookingId(UUID(int=value))


def event_of_booking(booking: UUID) -> EventId | None:
    """The event a booking belongs to; None for a UUID that is no booking's."""
    return EventId(booking.int >> 96) or None if booking.version == 8 else None
