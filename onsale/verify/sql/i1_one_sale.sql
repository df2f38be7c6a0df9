-- No ticket is sold or held for two bookings, and each that is out of sale is so for the one booking it names.
SELECT format('ticket %s is taken for %s bookings: %s', ticket_id, count(*), string_agg(booking_id::text, ', ')) AS what
  FROM booking_tickets WHERE event_id = :event_id AND released_at IS NULL
 GROUP BY ticket_id HAVING count(*) > 1
UNION ALL
SELECT format('ticket %s is %s for booking %s, which has no such ticket', t.id, t.state, t.booking_id)
  FROM tickets t
 WHERE t.event_id = :event_id AND t.state <> 'free'
   AND NOT EXISTS (SELECT FROM booking_tickets bt
                    WHERE bt.event_id = t.event_id AND bt.ticket_id = t.id AND bt.booking_id = t.booking_id
                      AND bt.released_at IS NULL)
UNION ALL
SELECT format('ticket %s is free, and taken for booking %s', t.id, bt.booking_id)
  FROM booking_tickets bt JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
 WHERE bt.event_id = :event_id AND bt.released_at IS NULL AND t.state = 'free'
