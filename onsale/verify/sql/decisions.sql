-- Every booking that was queued, with what decided it: for the proof that nobody was overtaken.
SELECT number, extract(epoch FROM created_at)::float8 AS created_at, id::text AS id,
       queued_xid::text::bigint AS queued_xid, batch_snapshot::text AS batch_snapshot,
       extract(epoch FROM decided_at)::float8 AS decided_at,
       CASE WHEN batch_snapshot IS NULL AND state <> 'queued' THEN extract(epoch FROM ended_at)::float8 END AS gone_at
  FROM bookings
 WHERE event_id = :event_id AND queued_xid IS NOT NULL
