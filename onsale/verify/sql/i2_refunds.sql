-- What was captured is what was given back, what the organiser kept of it, and the bill of the tickets still held: what they add to
-- it, and the fee for the booking as long as there is one of them.
SELECT format('booking %s took %s; %s was given back, %s kept, and its tickets cost %s', b.id, coalesce(c.amount_minor, 0),
              r.amount_minor, r.kept_minor, held.price_minor) AS what
  FROM (SELECT booking_id, sum(amount_minor) AS amount_minor, sum(kept_minor) AS kept_minor
          FROM refunds WHERE event_id = :event_id GROUP BY booking_id) r
  JOIN bookings b ON b.event_id = :event_id AND b.id = r.booking_id
  LEFT JOIN captures c ON c.event_id = b.event_id AND c.booking_id = b.id
 CROSS JOIN LATERAL (SELECT CASE WHEN count(*) FILTER (WHERE line.held) = 0 THEN 0
                                ELSE b.amount_minor - coalesce(sum(line.minor) FILTER (WHERE NOT line.held), 0) END AS price_minor
                       FROM (SELECT bt.released_at IS NULL AS held,
                                    CASE WHEN b.price_terms IS NULL THEN bt.price_minor
                                         ELSE full_price_minor(bt.price_minor, b.price_terms || '{"booking_fee_minor": 0}')
                                    END AS minor
                               FROM booking_tickets bt
                              WHERE bt.event_id = b.event_id AND bt.booking_id = b.id) line) held
 WHERE coalesce(c.amount_minor, 0) <> r.amount_minor + r.kept_minor + held.price_minor
UNION ALL
SELECT format('booking %s is %s, and no refund was recorded', b.id, b.state)
  FROM bookings b
 WHERE b.event_id = :event_id AND b.state IN ('refunding', 'refunded')
   AND NOT EXISTS (SELECT FROM refunds r WHERE r.event_id = b.event_id AND r.booking_id = b.id)
UNION ALL
SELECT format('booking %s is %s, and its refund %s is %s', b.id, b.state, r.id, r.state)
  FROM refunds r JOIN bookings b ON b.event_id = r.event_id AND b.id = r.booking_id
 WHERE r.event_id = :event_id
   AND (r.state = 'failed' OR (r.state <> 'succeeded' AND b.state NOT IN ('refunding', 'refunded', 'confirmed'))
        -- Only a refund that the bank sent back later is open again in a booking that goes on.
        OR (r.state = 'requested' AND b.state <> 'refunding' AND r.attempt = 1))
UNION ALL
SELECT format('refund %s succeeded with %s, and the provider''s id of it is not on record', r.id, r.amount_minor)
  FROM refunds r
 WHERE r.event_id = :event_id AND r.state = 'succeeded' AND r.amount_minor > 0 AND r.provider_refund_id IS NULL
   -- What went back in another way has none; the record keeps who said so, and how.
   AND r.paid_elsewhere IS NULL
UNION ALL
SELECT format('refund %s is for %s tickets of booking %s and voids %s', r.id, r.tickets, r.booking_id, count(bt.ticket_id))
  FROM refunds r
  LEFT JOIN booking_tickets bt ON bt.event_id = r.event_id AND bt.booking_id = r.booking_id AND bt.refund_id = r.id
 WHERE r.event_id = :event_id
 GROUP BY r.id, r.tickets, r.booking_id HAVING count(bt.ticket_id) <> r.tickets
UNION ALL
SELECT format('refund %s of a cancelled event keeps %s of what booking %s paid', r.id, r.kept_minor, r.booking_id)
  FROM event_cancellations c JOIN refunds r ON r.event_id = c.event_id AND r.requested_at > c.asked_at
 WHERE c.event_id = :event_id AND r.kept_minor > 0
