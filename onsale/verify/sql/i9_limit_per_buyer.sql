-- Nobody has more tickets than one buyer may, over all their bookings.
SELECT format('buyer %s has %s tickets, of at most %s', b.buyer_id, sum(b.tickets_taken), e.tickets_per_buyer) AS what
  FROM bookings b JOIN events e ON e.id = b.event_id
 WHERE b.event_id = :event_id
   AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding')
 GROUP BY b.buyer_id, e.tickets_per_buyer HAVING sum(b.tickets_taken) > e.tickets_per_buyer
