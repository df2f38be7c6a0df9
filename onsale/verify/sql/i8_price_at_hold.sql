-- What is charged is the sum of the tickets' prices when they were held, which were their sections'.
SELECT format('booking %s costs %s, its tickets %s', b.id, b.amount_minor, sum(bt.price_minor)) AS what
  FROM bookings b JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id
 WHERE b.event_id = :event_id
 GROUP BY b.id, b.amount_minor HAVING b.amount_minor IS DISTINCT FROM sum(bt.price_minor)
UNION ALL
SELECT format('booking %s costs %s, its payment is of %s', b.id, b.amount_minor, p.amount_minor)
  FROM bookings b JOIN payments p ON p.event_id = b.event_id AND p.booking_id = b.id
 WHERE b.event_id = :event_id AND p.amount_minor IS DISTINCT FROM b.amount_minor
UNION ALL
SELECT format('ticket %s was held at %s, its section costs %s', bt.ticket_id, bt.price_minor, s.price_minor)
  FROM booking_tickets bt
  JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
  JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
 WHERE bt.event_id = :event_id AND bt.price_minor <> s.price_minor
