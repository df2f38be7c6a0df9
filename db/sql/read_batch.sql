-- The lane's next batch. Raw: bookings and snapshot must come from one statement, or the order cannot be proved afterwards.
SELECT pg_current_snapshot()::text AS snapshot, s.selling, e.tickets_per_buyer, e.tickets_per_address,
       CAST(e.price_terms AS text) AS terms, e.currency, e.code_only_section_ids,
       (SELECT json_object_agg(section_id, changes) FROM section_changes WHERE event_id = :event_id) AS changes,
       clock_timestamp() AS now,
       (SELECT min(due_at) FROM scheduled_prices WHERE event_id = :event_id AND ended_at IS NULL) AS price_due_at,
       b.bookings
  FROM queue_settings s
  JOIN events e ON e.id = s.event_id
 CROSS JOIN LATERAL (
       SELECT json_agg(json_build_array(q.id, q.version, q.buyer_id, q.number, q.return_number, q.admission_id,
                                         q.payment_method IS NOT NULL, CAST(q.wishes AS text), live.tickets,
                                         encode(q.address_digest, 'hex'), there.tickets, q.code_ids)
                        ORDER BY q.number, q.created_at, q.id) AS bookings
         FROM (SELECT * FROM bookings
                WHERE event_id = :event_id AND state = 'queued' AND s.selling
                  -- Decided, and on their way into the record.
                  AND id <> ALL (CAST(:being_written AS uuid[]))
                ORDER BY number, created_at, id LIMIT :limit) AS q
        -- What the buyer has already counts against the limit.
        CROSS JOIN LATERAL (
              SELECT coalesce(sum(mine.tickets_taken), 0) AS tickets FROM bookings mine
               WHERE mine.event_id = :event_id AND mine.buyer_id = q.buyer_id
                 AND mine.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed',
                                    'refunding')) AS live
        -- And what was booked from the same network address, where that is counted at all.
        CROSS JOIN LATERAL (
              SELECT coalesce(sum(theirs.tickets_taken), 0) AS tickets FROM bookings theirs
               WHERE theirs.event_id = :event_id AND theirs.address_digest = q.address_digest
                 AND e.tickets_per_address IS NOT NULL
                 AND theirs.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed',
                                      'refunding')) AS there) AS b
 WHERE s.event_id = :event_id
