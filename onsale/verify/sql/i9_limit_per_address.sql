-- Nobody's network address has more tickets than one may, over all bookings it made: by the tickets themselves.
SELECT format('a network address has %s tickets, of at most %s', count(*), e.tickets_per_address) AS what
  FROM booking_tickets bt
  JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
  JOIN events e ON e.id = b.event_id AND e.tickets_per_address IS NOT NULL
 WHERE bt.event_id = :event_id AND bt.released_at IS NULL AND b.address_digest IS NOT NULL
   AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding')
 GROUP BY b.address_digest, e.tickets_per_address HAVING count(*) > e.tickets_per_address
