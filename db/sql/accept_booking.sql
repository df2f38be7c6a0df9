-- Stores a request once. Raw: the limit per buyer and both unique indexes are asked in the one round trip that writes.
WITH live AS (
    SELECT coalesce(sum(CASE WHEN hold_version IS NULL THEN tickets_wanted ELSE tickets_taken END), 0) AS tickets
      FROM bookings
     WHERE event_id = :event_id AND buyer_id = :buyer_id
       AND state IN ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised', 'committed',
                     'confirmed', 'refunding')
)
INSERT INTO bookings (event_id, id, buyer_id, number, return_number, state, wishes, payment_method, tickets_wanted,
                      currency, admission_id, idempotency_key, request_hash, code_ids, queued_at, queued_xid,
                      address_digest)
SELECT e.id, :id, :buyer_id, :number, :return_number, :state, CAST(:wishes AS jsonb), :payment_method, :tickets_wanted,
       e.currency, :admission_id, :idempotency_key, :request_hash, CAST(:code_ids AS bigint[]),
       CASE WHEN :state = 'queued' THEN clock_timestamp() END,
       CASE WHEN :state = 'queued' THEN pg_current_xact_id() END,
       -- Of nobody where the event does not count by address.
       CASE WHEN e.tickets_per_address IS NOT NULL THEN CAST(:address_digest AS bytea) END
  FROM events e, live
 WHERE e.id = :event_id AND e.status = 'published' AND live.tickets + :tickets_wanted <= e.tickets_per_buyer
-- Without a target: the key and the admission both answer here, and neither aborts the transaction.
ON CONFLICT DO NOTHING
RETURNING *
