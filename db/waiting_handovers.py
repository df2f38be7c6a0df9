"""A guest on a waiting list signs in: the account stands there instead, under the number that counts."""

from __future__ import annotations

from sqlalchemy import Connection, text

from onsale.db.ids import BuyerId, EventId


def move_line(connection: Connection, event_id: EventId, *, giver: BuyerId, taker: BuyerId, number: int) -> None:
    """The giver is in line no more; the taker is under this number, if one of them was, and wants what they wanted.

    Who is offered tickets keeps the offer where it is: it goes along with its booking (`move_offers`).
    """
    asked = {"event_id": event_id, "giver": giver, "taker": taker, "number": number}
    given = connection.execute(_LEAVE_LINE, asked).one_or_none()
    connection.execute(_RENUMBER, asked)
    if given is not None:
        connection.execute(_TAKE_PLACE, asked)


def move_offers(connection: Connection, *, giver: BuyerId, taker: BuyerId) -> None:
    """Offers whose bookings became the taker's."""
    asked = {"giver": giver, "taker": taker}
    connection.execute(_MOVE_OFFERS, asked)
    for row in connection.execute(_OFFERS_LEFT, asked).all():
        connection.execute(_TAKE_PLACE, {**asked, "event_id": row.event_id, "number": row.number})
        connection.execute(_TAKE_OFFER, {**asked, "event_id": row.event_id, "offer_id": row.offer_id})


_LEAVE_LINE = text("""
    UPDATE waiting_list_entries SET ended_at = clock_timestamp(), end_reason = 'left'
     WHERE event_id = :event_id AND buyer_id = :giver AND ended_at IS NULL AND offer_id IS NULL
    RETURNING number
""")
# From now on: who was in line before under a higher number overtook nobody.
_RENUMBER = text("""
    UPDATE waiting_list_entries SET number = :number, joined_at = clock_timestamp()
     WHERE event_id = :event_id AND buyer_id = :taker AND ended_at IS NULL AND offer_id IS NULL AND number <> :number
       AND NOT EXISTS (SELECT FROM waiting_list_entries o WHERE o.event_id = :event_id AND o.number = :number
                          AND o.ended_at IS NULL)
""")
_TAKE_PLACE = text("""
    INSERT INTO waiting_list_entries AS w (event_id, buyer_id, number, quantity, section_ids, max_price_minor, tell,
                                           seen_at, asked_at, asleep)
    SELECT event_id, :taker, :number, quantity, section_ids, max_price_minor, tell, seen_at, asked_at, asleep
      FROM waiting_list_entries WHERE event_id = :event_id AND buyer_id = :giver
       AND NOT EXISTS (SELECT FROM waiting_list_entries o WHERE o.event_id = :event_id AND o.number = :number
                          AND o.ended_at IS NULL)
    ON CONFLICT (event_id, buyer_id) DO UPDATE
       SET number = excluded.number, quantity = excluded.quantity, section_ids = excluded.section_ids,
           max_price_minor = excluded.max_price_minor, tell = excluded.tell, seen_at = excluded.seen_at,
           asked_at = excluded.asked_at, asleep = excluded.asleep, joined_at = excluded.joined_at,
           offer_id = NULL, ended_at = NULL, end_reason = NULL
     WHERE w.ended_at IS NOT NULL
""")
_MOVE_OFFERS = text("""
    UPDATE waiting_list_offers o SET buyer_id = :taker FROM bookings b
     WHERE b.event_id = o.event_id AND b.id = o.booking_id AND o.buyer_id = :giver AND b.buyer_id = :taker
""")
_OFFERS_LEFT = text("""
    WITH moved AS (
        SELECT w.event_id, w.number, w.offer_id FROM waiting_list_entries w
          JOIN bookings b ON b.event_id = w.event_id AND b.id = w.offer_id AND b.buyer_id = :taker
         WHERE w.buyer_id = :giver AND w.ended_at IS NULL
    )
    UPDATE waiting_list_entries w SET offer_id = NULL, ended_at = clock_timestamp(), end_reason = 'left'
      FROM moved WHERE w.event_id = moved.event_id AND w.buyer_id = :giver
    RETURNING moved.event_id, moved.number, moved.offer_id
""")
_TAKE_OFFER = text("""
    UPDATE waiting_list_entries SET offer_id = :offer_id
     WHERE event_id = :event_id AND buyer_id = :taker AND ended_at IS NULL AND offer_id IS NULL
""")
