-- How far the queue was when that was last written down, and what it proves (gaps.Mark).
SELECT q.serving, (extract(epoch FROM q.at) * 1000000)::bigint AS at_us,
       (SELECT coalesce(max(last), 0) FROM number_blocks WHERE event_id = :event_id) AS last_reserved,
       s.enabled AND NOT EXISTS (SELECT FROM sale_log WHERE event_id = :event_id AND kind = 'queue_changed'
                                    AND body ? 'enabled') AS never_off,
       q.issued > 0 AND (SELECT count(*) FROM join_journal
                          WHERE event_id = :event_id AND number <= q.issued) = q.issued AS every_join
  FROM queue_checkpoints q JOIN queue_settings s ON s.event_id = q.event_id
 WHERE q.event_id = :event_id
