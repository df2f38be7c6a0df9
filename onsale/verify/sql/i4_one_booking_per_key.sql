-- The same buyer and Idempotency-Key gave one booking, and the constraint that sees to it is there.
SELECT format('buyer %s has %s bookings with the key %s', buyer_id, count(*), idempotency_key) AS what
  FROM bookings WHERE event_id = :event_id
 GROUP BY buyer_id, idempotency_key HAVING count(*) > 1
UNION ALL
SELECT 'the constraint uq_bookings_key is missing, not valid or another one: a repeated request could book twice'
 WHERE NOT EXISTS (
       SELECT FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid
        WHERE c.conrelid = 'bookings'::regclass AND c.conname = 'uq_bookings_key' AND c.convalidated
          AND pg_get_constraintdef(c.oid) = 'UNIQUE (event_id, buyer_id, idempotency_key)'
          AND i.indisunique AND i.indisvalid AND i.indisready)
