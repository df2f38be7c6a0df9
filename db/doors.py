"""At the door: a ticket is accepted once, and never one that was given back."""

from __future__ import annotations

from sqlalchemy import Connection, text

from onsale.db.ids import TicketId, event_of_ticket


def check_in(connection: Connection, ticket_id: TicketId) -> bool:
    """Let its holder in; False: it is not sold, was given back, or somebody was let in with it before.

    A refund of the same ticket at the same moment and this wait for each other at its row: one of them wins.
    """
    return connection.execute(_CHECK_IN, {"event_id": event_of_ticket(ticket_id), "ticket_id": ticket_id}).rowcount == 1


_CHECK_IN = text("""
    UPDATE booking_tickets bt SET checked_in_at = clock_timestamp()
     WHERE bt.event_id = :event_id AND bt.ticket_id = :ticket_id AND bt.released_at IS NULL AND bt.checked_in_at IS NULL
       AND EXISTS (SELECT FROM bookings b WHERE b.event_id = bt.event_id AND b.id = bt.booking_id
                      AND b.state IN ('confirmed', 'refunding'))
""")
