-- Rows older than :chain_seconds that no line tells of: how many, which is the first, and whether a chainer that takes the oldest first
-- can have left them. It cannot where later rows have lines: by their own time (the newest line of any event), a run of the queue, which
-- may be written down long after it was made, by its number. `any_line`: whether anything is chained, of any event.
-- Each event's newest line is found by two indexes, and only where a row is left.
WITH rows_of_event (source, id, number, at) AS (
    SELECT 'move', booking_id, version::bigint, at FROM booking_history WHERE event_id = :event_id
     UNION ALL
    SELECT 'capture', booking_id, 0::bigint, at FROM captures WHERE event_id = :event_id
     UNION ALL
    SELECT 'run', CAST('00000000-0000-0000-0000-000000000000' AS uuid), seq, at FROM admission_log WHERE event_id = :event_id
     UNION ALL
    SELECT 'log', CAST('00000000-0000-0000-0000-000000000000' AS uuid), seq, at FROM sale_log WHERE event_id = :event_id
     UNION ALL
    SELECT 'refund', refund_id, seq, at FROM refund_history WHERE event_id = :event_id
), left_out AS (
    SELECT r.source, r.id, r.number, r.at FROM rows_of_event r
     WHERE r.at < now() - :chain_seconds * interval '1 second'
       AND NOT EXISTS (SELECT FROM sale_chain_lines l
                        WHERE l.event_id = :event_id AND l.source = r.source AND l.id = r.id AND l.number = r.number)
), newest AS (
    -- A line that was damaged is no JSON any more; its moment is text that sorts by time.
    SELECT max(substring(l.line FROM '"at":"([^"]+)"') COLLATE "C") AS at, count(*) > 0 AS any_line
      FROM events e
     CROSS JOIN LATERAL (SELECT last FROM sale_chain_batches b WHERE b.event_id = e.id ORDER BY seq DESC LIMIT 1) b
      JOIN sale_chain_lines l ON l.event_id = e.id AND l.position = b.last
)
SELECT count(*) OVER () AS rows, source, id, number, at, (SELECT any_line FROM newest) AS any_line,
       count(*) FILTER (WHERE CASE WHEN source = 'run' THEN number < (
               SELECT max(number) FROM sale_chain_lines
                WHERE event_id = :event_id AND source = 'run'
                  AND id = CAST('00000000-0000-0000-0000-000000000000' AS uuid))
           ELSE to_char((at + :chain_seconds * interval '1 second') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
               COLLATE "C" < (SELECT at FROM newest) END) OVER () AS passed_by
  FROM left_out ORDER BY at, source, id, number LIMIT 1
