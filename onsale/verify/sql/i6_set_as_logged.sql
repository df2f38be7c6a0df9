-- The queue's settings are what its log says that was set: a change is one version and one line, lines have no gap, and
-- the rate and the time to pay are what was set last; what was never set is what every event begins with.
WITH log AS (
    SELECT seq, kind, body, lag(seq, 1, 0::bigint) OVER (ORDER BY seq) AS seq_before,
           lead(kind) OVER (ORDER BY seq) AS kind_after
      FROM sale_log WHERE event_id = :event_id
), now_set AS (
    SELECT s.version, d.name, d.value FROM queue_settings s
     CROSS JOIN LATERAL (VALUES ('rate_per_minute', s.rate_per_minute), ('pay_seconds', s.pay_seconds)) AS d (name, value)
     WHERE s.event_id = :event_id
), turned AS (
    SELECT n.name, (log.body -> n.name ->> 'from')::integer AS before, (log.body -> n.name ->> 'to')::integer AS after,
           lag((log.body -> n.name ->> 'to')::integer) OVER of_dial AS after_before,
           lead(log.seq) OVER of_dial IS NULL AS is_last, log.seq
      FROM now_set n JOIN log ON log.kind = 'queue_changed' AND log.body ? n.name
    WINDOW of_dial AS (PARTITION BY n.name ORDER BY log.seq)
), begun AS (
    SELECT a.attname AS name, pg_get_expr(d.adbin, d.adrelid)::integer AS value
      FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = 'queue_settings'::regclass AND a.attname IN ('rate_per_minute', 'pay_seconds')
)
SELECT format('the sale log goes from line %s to line %s', seq_before, seq) AS what FROM log WHERE seq <> seq_before + 1
UNION ALL
SELECT format('the queue was set %s times, and the sale log tells of %s', s.version - 1, told.times)
  FROM queue_settings s
 CROSS JOIN (SELECT count(*) AS times FROM log
              WHERE kind IN ('queue_changed', 'queue_opened', 'draw_announced', 'draw_withdrawn', 'draw_entries_closed',
                             'draw_beacon', 'draw_without_beacon', 'draw_weights_published')
                 -- A draw that was held opens its queue, which is the line after it and the version, or is one itself.
                 OR (kind = 'draw_held' AND kind_after IS DISTINCT FROM 'queue_opened')) AS told
 WHERE s.event_id = :event_id AND s.version - 1 <> told.times
UNION ALL
SELECT format('%s is %s, and was last set to %s', n.name, n.value, coalesce(t.after, b.value))
  FROM now_set n JOIN begun b ON b.name = n.name LEFT JOIN turned t ON t.name = n.name AND t.is_last
 WHERE n.value <> coalesce(t.after, b.value)
UNION ALL
SELECT format('%s was changed from %s by line %s of the sale log, and had been set to %s', name, before, seq, after_before)
  FROM turned WHERE before <> after_before
