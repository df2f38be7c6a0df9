-- What is charged is the sum of the tickets' prices when they were held, which were their sections': no price changes
-- once an event is on sale, so a section's price now is its price then.
SELECT format('booking %s costs %s, its tickets %s', b.id, b.amount_minor, coalesce(sum(bt.price_minor), 0)) AS what
  FROM bookings b LEFT JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id
 WHERE b.event_id = :event_id AND b.hold_version IS NOT NULL
 GROUP BY b.id, b.amount_minor HAVING b.amount_minor IS DISTINCT FROM coalesce(sum(bt.price_minor), 0)
UNION ALL
SELECT format('booking %s costs %s %s, its payment is of %s %s', b.id, b.amount_minor, b.currency, p.amount_minor,
              p.currency)
  FROM bookings b JOIN payments p ON p.event_id = b.event_id AND p.booking_id = b.id
 WHERE b.event_id = :event_id
   AND (p.amount_minor IS DISTINCT FROM b.amount_minor OR p.currency IS DISTINCT FROM b.currency)
UNION ALL
SELECT format('booking %s is in %s, the event sells in %s', b.id, b.currency, e.currency)
  FROM bookings b JOIN events e ON e.id = b.event_id
 WHERE b.event_id = :event_id AND b.currency <> e.currency
UNION ALL
SELECT format('ticket %s was held at %s for booking %s, its section costs %s', bt.ticket_id, bt.price_minor,
              bt.booking_id, s.price_minor)
  FROM booking_tickets bt
  JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
  JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
 WHERE bt.event_id = :event_id AND bt.price_minor <> s.price_minor
