-- Rows that the chainer has seen and that no line tells of, lines that no batch closes, and sale reports that closed with a batch
-- which the chained log does not have: it was emptied and made anew since.
WITH rows_of_event (source, id, number, written_in) AS (
    SELECT 'move' AS source, w.booking_id AS id, w.version::bigint AS number, w.written_in
      FROM booking_history w WHERE w.event_id = :event_id
     UNION ALL
    SELECT 'capture' AS source, w.booking_id AS id, 0::bigint AS number, w.written_in
      FROM captures w WHERE w.event_id = :event_id
     UNION ALL
    SELECT 'run' AS source, CAST('00000000-0000-0000-0000-000000000000' AS uuid) AS id, w.seq::bigint AS number, w.written_in
      FROM admission_log w WHERE w.event_id = :event_id
     UNION ALL
    SELECT 'log' AS source, CAST('00000000-0000-0000-0000-000000000000' AS uuid) AS id, w.seq::bigint AS number, w.written_in
      FROM sale_log w WHERE w.event_id = :event_id
     UNION ALL
    SELECT 'refund' AS source, w.refund_id AS id, w.seq::bigint AS number, w.written_in
      FROM refund_history w WHERE w.event_id = :event_id
)
SELECT format('a %s (%s, %s) was passed over by the chained log', r.source, r.id, r.number) AS what
  FROM rows_of_event r
 WHERE pg_visible_in_snapshot(r.written_in::text::xid8, CAST(:seen AS pg_snapshot))
   AND NOT EXISTS (SELECT FROM sale_chain_lines l
                    WHERE l.event_id = :event_id AND l.source = r.source AND l.id = r.id AND l.number = r.number)
UNION ALL
SELECT format('line %s of the chained log is in no batch', position)
  FROM sale_chain_lines WHERE event_id = :event_id AND position > :last
UNION ALL
SELECT format('the sale report of %s ends with batch %s..., which the chained log does not have (any more)',
              to_char(r.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), left(r.head, 12))
  FROM sale_reports r
 WHERE r.event_id = :event_id AND r.head <> repeat('0', 64)
   AND NOT EXISTS (SELECT FROM sale_chain_batches b WHERE b.event_id = r.event_id AND encode(b.hash, 'hex') = r.head)
