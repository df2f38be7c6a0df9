-- A hold was priced by the fees and tax of its event: those that it has now, or had at some time since the booking was queued.
SELECT format('booking %s was priced by %s, its event asks %s', b.id, coalesce(b.price_terms, '{}'), e.price_terms)
  FROM bookings b JOIN events e ON e.id = b.event_id
 WHERE b.event_id = :event_id AND b.hold_version IS NOT NULL AND coalesce(b.price_terms, '{}') <> e.price_terms
   AND NOT EXISTS (
       SELECT FROM sale_log l
        WHERE l.event_id = b.event_id AND l.kind = 'price_terms_changed' AND l.at >= b.queued_at
          AND l.body -> 'from' = coalesce(b.price_terms, '{}'))
