-- No code is used more often than it may be, in all or by one buyer: by the tickets that its bookings have, not by what bookings say.
WITH live AS (
    SELECT u.code_id, u.buyer_id FROM code_uses u
     WHERE u.event_id = :event_id
       AND EXISTS (SELECT FROM booking_tickets bt
                    WHERE bt.event_id = u.event_id AND bt.booking_id = u.booking_id AND bt.released_at IS NULL)
)
SELECT format('code %s is used %s times, of at most %s', c.id, count(*), c.uses_max) AS what
  FROM live JOIN codes c ON c.event_id = :event_id AND c.id = live.code_id
 GROUP BY c.id, c.uses_max HAVING count(*) > c.uses_max
UNION ALL
SELECT format('code %s is used %s times by buyer %s, of at most %s', c.id, count(*), live.buyer_id, c.uses_per_buyer)
  FROM live JOIN codes c ON c.event_id = :event_id AND c.id = live.code_id
 GROUP BY c.id, c.uses_per_buyer, live.buyer_id HAVING count(*) > c.uses_per_buyer
UNION ALL
SELECT format('code %s was used by booking %s as buyer %s''s, and the booking is %s''s', u.code_id, u.booking_id, u.buyer_id,
              b.buyer_id)
  FROM code_uses u JOIN bookings b ON b.event_id = u.event_id AND b.id = u.booking_id
 WHERE u.event_id = :event_id AND u.buyer_id <> b.buyer_id
UNION ALL
SELECT format('booking %s used code %s, which it did not name', u.booking_id, u.code_id)
  FROM code_uses u JOIN bookings b ON b.event_id = u.event_id AND b.id = u.booking_id
 WHERE u.event_id = :event_id AND u.code_id <> ALL (coalesce(b.code_ids, '{}'))
