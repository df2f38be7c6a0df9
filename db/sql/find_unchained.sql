-- Rows that this statement sees and the snapshot `seen` did not, and that no line tells of yet, oldest first. Raw: snapshots, and an index by ranges of pages.
-- The row with `seen` is what is seen now, so that what commits later is new to the next who looks; `written_from` is where `seen` begins.
SELECT 'seen' AS source, 0::bigint AS event_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid) AS id, 0::bigint AS number,
       pg_current_snapshot()::text AS seen
UNION ALL
SELECT source, event_id, id, number, NULL FROM (
    SELECT * FROM (
     (SELECT 'move' AS source, w.event_id, w.booking_id AS id, w.version::bigint AS number, w.at
       FROM booking_history w
      WHERE w.written_in >= :written_from
        AND NOT pg_visible_in_snapshot(w.written_in::text::xid8, CAST(:seen AS pg_snapshot))
        AND NOT EXISTS (SELECT FROM sale_chain_lines l
                         WHERE l.event_id = w.event_id AND l.source = 'move' AND l.id = w.booking_id AND l.number = w.version)
      ORDER BY w.at LIMIT :limit)
     UNION ALL
     (SELECT 'capture' AS source, w.event_id, w.booking_id AS id, 0::bigint AS number, w.at
       FROM captures w
      WHERE w.written_in >= :written_from
        AND NOT pg_visible_in_snapshot(w.written_in::text::xid8, CAST(:seen AS pg_snapshot))
        AND NOT EXISTS (SELECT FROM sale_chain_lines l
                         WHERE l.event_id = w.event_id AND l.source = 'capture' AND l.id = w.booking_id AND l.number = 0)
      ORDER BY w.at LIMIT :limit)
     UNION ALL
     (SELECT 'run' AS source, w.event_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid) AS id, w.seq::bigint AS number, w.at
       FROM admission_log w
      WHERE w.written_in >= :written_from
        AND NOT pg_visible_in_snapshot(w.written_in::text::xid8, CAST(:seen AS pg_snapshot))
        AND NOT EXISTS (SELECT FROM sale_chain_lines l
                         WHERE l.event_id = w.event_id AND l.source = 'run' AND l.id = CAST('00000000-0000-0000-0000-000000000000' AS uuid) AND l.number = w.seq)
      ORDER BY w.at LIMIT :limit)
     UNION ALL
     (SELECT 'log' AS source, w.event_id, CAST('00000000-0000-0000-0000-000000000000' AS uuid) AS id, w.seq::bigint AS number, w.at
       FROM sale_log w
      WHERE w.written_in >= :written_from
        AND NOT pg_visible_in_snapshot(w.written_in::text::xid8, CAST(:seen AS pg_snapshot))
        AND NOT EXISTS (SELECT FROM sale_chain_lines l
                         WHERE l.event_id = w.event_id AND l.source = 'log' AND l.id = CAST('00000000-0000-0000-0000-000000000000' AS uuid) AND l.number = w.seq)
      ORDER BY w.at LIMIT :limit)
     UNION ALL
     (SELECT 'refund' AS source, w.event_id, w.refund_id AS id, w.seq::bigint AS number, w.at
       FROM refund_history w
      WHERE w.written_in >= :written_from
        AND NOT pg_visible_in_snapshot(w.written_in::text::xid8, CAST(:seen AS pg_snapshot))
        AND NOT EXISTS (SELECT FROM sale_chain_lines l
                         WHERE l.event_id = w.event_id AND l.source = 'refund' AND l.id = w.refund_id AND l.number = w.seq)
      ORDER BY w.at LIMIT :limit)
    ) AS found ORDER BY at, source, id, number LIMIT :limit
) AS oldest
