-- What is charged is what the tickets cost when they were held, with the fees and tax that the booking was priced with; and
-- each ticket was held at a price that its section had then, less what codes took off: the one its batch could see, or one set
-- before it was written.
SELECT format('booking %s costs %s, its tickets %s', b.id, b.amount_minor, coalesce(sum(bt.price_minor), 0)) AS what
  FROM bookings b LEFT JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id
 WHERE b.event_id = :event_id AND b.hold_version IS NOT NULL AND b.price_terms IS NULL
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
SELECT format('ticket %s was held at %s for booking %s, %s costs %s', bt.ticket_id, bt.full_minor,
              bt.booking_id, coalesce('its tier ' || bt.tier, 'its section'), was.price_minor)
  FROM (SELECT held.*, held.price_minor + coalesce(d.discount_minor, 0) AS full_minor
          FROM booking_tickets held
          LEFT JOIN ticket_discounts d ON d.event_id = held.event_id AND d.booking_id = held.booking_id
                                      AND d.ticket_id = held.ticket_id
         WHERE held.event_id = :event_id) AS bt
  JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
  JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
  JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
  LEFT JOIN LATERAL (
       SELECT c.id, c.was_minor FROM price_changes c
        WHERE c.event_id = t.event_id AND c.section_id = t.section_id AND c.tier IS NOT DISTINCT FROM bt.tier
          AND (b.batch_snapshot IS NULL OR NOT pg_visible_in_snapshot(c.xid, b.batch_snapshot))
        ORDER BY c.id LIMIT 1) AS unseen ON true
 CROSS JOIN LATERAL (
       SELECT CASE WHEN unseen.id IS NOT NULL THEN unseen.was_minor
                   WHEN bt.tier IS NULL THEN s.price_minor
                   ELSE (SELECT CAST(one ->> 'price_minor' AS bigint) FROM jsonb_array_elements(s.tiers) one
                          WHERE one ->> 'name' = bt.tier) END AS price_minor) AS was
 WHERE bt.event_id = :event_id
   AND bt.full_minor IS DISTINCT FROM was.price_minor
   AND NOT EXISTS (
       SELECT FROM price_changes c
        WHERE c.event_id = t.event_id AND c.section_id = t.section_id AND c.tier IS NOT DISTINCT FROM bt.tier
          AND c.now_minor = bt.full_minor AND c.at <= bt.taken_at
          AND (b.batch_snapshot IS NULL OR NOT pg_visible_in_snapshot(c.xid, b.batch_snapshot)))
