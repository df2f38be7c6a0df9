-- What the record says was taken for each payment of the event, and what the booking is.
SELECT p.intent_id, p.booking_id::text AS booking_id, b.state, coalesce(c.amount_minor, 0) AS captured_minor, p.currency
  FROM payments p
  JOIN bookings b ON b.event_id = p.event_id AND b.id = p.booking_id
  LEFT JOIN captures c ON c.event_id = p.event_id AND c.booking_id = p.booking_id
 WHERE p.event_id = :event_id
