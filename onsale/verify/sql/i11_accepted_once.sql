-- Whoever was let in came with a ticket that is theirs: sold, and not given back before or after.
SELECT format('somebody was let in at %s with ticket %s of booking %s, which is %s', bt.checked_in_at, bt.ticket_id, b.id,
              CASE WHEN bt.released_at IS NULL THEN b.state ELSE 'not its any more' END) AS what
  FROM booking_tickets bt JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
 WHERE bt.event_id = :event_id AND bt.checked_in_at IS NOT NULL
   AND (bt.released_at IS NOT NULL OR b.state NOT IN ('confirmed', 'refunding'))
