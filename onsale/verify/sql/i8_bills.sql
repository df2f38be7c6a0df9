-- Bookings with fees or tax: by which terms they were priced, at which prices, and to what it came. The rules are Python's.
SELECT CAST(b.id AS text), b.price_terms, array_agg(bt.price_minor), b.amount_minor, b.fees_minor, b.taxes_minor
  FROM bookings b JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id
 WHERE b.event_id = :event_id AND b.price_terms IS NOT NULL AND b.hold_version IS NOT NULL
 GROUP BY b.event_id, b.id
