-- Nobody was given tickets whose number the queue had not called, by a run or a checkpoint; says nothing of a queue that
-- was off at any time, nor of who was let in before the opening by a code. What a waiting list offers goes by the
-- list's order: i5_waiting_list.sql.
WITH called AS (
    SELECT greatest(q.serving, (SELECT max(last) FROM admission_log WHERE event_id = :event_id), 0) AS number,
           greatest(q.return_serving, (SELECT max(return_last) FROM admission_log WHERE event_id = :event_id), 0)
               AS returned
      FROM queue_settings s LEFT JOIN queue_checkpoints q ON q.event_id = s.event_id
     WHERE s.event_id = :event_id AND s.enabled
       AND NOT EXISTS (SELECT FROM sale_log
                        WHERE event_id = :event_id AND kind = 'queue_changed' AND body ? 'enabled')
)
SELECT format('booking %s was given tickets under %s, and the queue has called %s', b.id,
              CASE WHEN b.return_number IS NULL THEN 'number ' || b.number
                   ELSE 'return number ' || b.return_number END,
              CASE WHEN b.return_number IS NULL THEN called.number ELSE called.returned END) AS what
  FROM bookings b, called
 WHERE b.event_id = :event_id AND b.hold_version IS NOT NULL
   AND NOT EXISTS (SELECT FROM waiting_list_offers o WHERE o.event_id = b.event_id AND o.booking_id = b.id)
   AND NOT EXISTS (SELECT FROM code_uses u JOIN codes c ON c.event_id = u.event_id AND c.id = u.code_id
                    WHERE u.event_id = b.event_id AND u.booking_id = b.id AND c.kind = 'early')
   AND b.decided_at < now() - :journal_seconds * interval '1 second'
   AND CASE WHEN b.return_number IS NULL THEN b.number > called.number ELSE b.return_number > called.returned END
