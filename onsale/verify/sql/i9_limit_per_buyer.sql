-- Nobody has more tickets than one buyer may, over all their bookings: by the tickets themselves, not by what bookings say.
SELECT format('buyer %s has %s tickets, of at most %s', b.buyer_id, count(*), e.tickets_per_buyer) AS what
  FROM booking_tickets bt
  JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
  JOIN events e ON e.id = b.event_id
 WHERE bt.event_id = :event_id AND bt.released_at IS NULL
   AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding')
 GROUP BY b.buyer_id, e.tickets_per_buyer HAVING count(*) > e.tickets_per_buyer
