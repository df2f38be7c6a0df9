-- Queues the hands-free bookings whose turn has come, lowest number first. Raw: set-based, and the order of the two ways in.
-- One moment for the whole statement: rows are updated in no order, and queued_at must follow the numbers.
WITH due AS (
    SELECT id FROM (
        (SELECT id, number, created_at FROM bookings
          WHERE event_id = :event_id AND state = 'waiting' AND return_number IS NULL AND number <= :serving
          ORDER BY number LIMIT :limit)
        UNION ALL
        (SELECT id, number, created_at FROM bookings
          WHERE event_id = :event_id AND state = 'waiting' AND return_number IS NOT NULL
            AND return_number <= :return_serving
          ORDER BY return_number LIMIT :limit)
    ) AS both_ways ORDER BY number, created_at, id LIMIT :limit
)
UPDATE bookings b
   SET state = 'queued', version = b.version + 1, queued_at = statement_timestamp(), queued_xid = pg_current_xact_id()
  FROM due
 WHERE b.event_id = :event_id AND b.id = due.id AND b.state = 'waiting'
