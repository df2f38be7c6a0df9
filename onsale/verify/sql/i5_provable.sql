-- Whoever holds or held tickets was queued by a transaction and decided by a batch: without both, order proves nothing.
SELECT format('booking %s was given tickets, and nothing says which batch of the lane gave them', id) AS what
  FROM bookings
 WHERE event_id = :event_id AND hold_version IS NOT NULL AND (queued_xid IS NULL OR batch_snapshot IS NULL)
