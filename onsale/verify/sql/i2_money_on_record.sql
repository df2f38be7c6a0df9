-- Every confirmed booking that costs something was captured once, for its amount; nothing else was.
SELECT format('booking %s is %s for %s and no money was taken', b.id, b.state, b.amount_minor) AS what
  FROM bookings b LEFT JOIN captures c ON c.event_id = b.event_id AND c.booking_id = b.id
 WHERE b.event_id = :event_id AND b.state IN ('confirmed', 'refunding', 'refunded') AND b.amount_minor > 0
   AND c.booking_id IS NULL
UNION ALL
SELECT format('booking %s costs %s and %s was taken', b.id, b.amount_minor, c.amount_minor)
  FROM captures c JOIN bookings b ON b.event_id = c.event_id AND b.id = c.booking_id
 WHERE c.event_id = :event_id AND b.amount_minor IS DISTINCT FROM c.amount_minor
UNION ALL
SELECT format('money was taken for booking %s, which is %s', b.id, b.state)
  FROM captures c JOIN bookings b ON b.event_id = c.event_id AND b.id = c.booking_id
 WHERE c.event_id = :event_id AND b.state NOT IN ('confirmed', 'refunding', 'refunded')
UNION ALL
SELECT format('booking %s is %s and has %s of its %s tickets', b.id, b.state, count(t.id), b.tickets_taken)
  FROM bookings b
  LEFT JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id AND bt.released_at IS NULL
  LEFT JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id AND t.state = 'sold' AND t.booking_id = b.id
 WHERE b.event_id = :event_id AND b.state IN ('committed', 'confirmed', 'refunding')
 GROUP BY b.id, b.state, b.tickets_taken HAVING count(t.id) <> b.tickets_taken OR (b.tickets_taken = 0 AND b.state <> 'refunding')
UNION ALL
-- A state that was read before the capture may be written after it; one in which nothing can be captured cannot.
SELECT format('booking %s is %s for %s, its payment is %s and took %s', b.id, b.state, b.amount_minor,
              coalesce(p.status, 'not there'), coalesce(p.captured_minor, 0))
  FROM bookings b LEFT JOIN payments p ON p.event_id = b.event_id AND p.booking_id = b.id
 WHERE b.event_id = :event_id AND b.state IN ('confirmed', 'refunding', 'refunded') AND b.amount_minor > 0
   AND (p.captured_minor IS DISTINCT FROM b.amount_minor
        OR p.status NOT IN ('succeeded', 'requires_capture', 'processing'))
