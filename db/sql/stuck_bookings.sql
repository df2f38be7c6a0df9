-- Bookings past the time that their state may take: how many of each kind, and the first few. Raw: counted and listed in one snapshot.
WITH limits AS (
    SELECT clock_timestamp() AS now,
           clock_timestamp() - :decide_seconds * interval '1 second' AS decided_by,
           clock_timestamp() - :pay_seconds * interval '1 second' AS paid_by,
           clock_timestamp() - :settle_seconds * interval '1 second' AS settled_by,
           clock_timestamp() - :refund_seconds * interval '1 second' AS refunded_by
), selling AS (
    -- While the organiser stops selling nothing is decided; the time begins when selling goes on.
    SELECT s.event_id,
           (SELECT coalesce(max(l.at), '-infinity') FROM sale_log l
             WHERE l.event_id = s.event_id AND l.kind = 'queue_changed' AND l.body ? 'selling') AS since
      FROM queue_settings s
     WHERE s.selling AND (CAST(:event_id AS bigint) IS NULL OR s.event_id = :event_id)
       AND EXISTS (SELECT FROM bookings b WHERE b.event_id = s.event_id AND b.state IN ('queued', 'waiting'))
), found AS (
    SELECT 'undecided' AS kind, b.event_id, b.id, b.state, greatest(b.queued_at, s.since) AS since
      FROM selling s JOIN bookings b ON b.event_id = s.event_id AND b.state = 'queued', limits
     WHERE greatest(b.queued_at, s.since) < decided_by
    UNION ALL
    SELECT 'turn_missed', b.event_id, b.id, b.state, greatest(b.created_at, s.since, called.at)
      FROM selling s
     CROSS JOIN limits
     CROSS JOIN LATERAL (
           SELECT a.last, a.return_last, a.at FROM admission_log a
            WHERE a.event_id = s.event_id AND a.at < decided_by ORDER BY a.seq DESC LIMIT 1) AS called
      JOIN bookings b ON b.event_id = s.event_id AND b.state = 'waiting'
       AND (CASE WHEN b.return_number IS NULL THEN b.number <= called.last ELSE b.return_number <= called.return_last END)
     WHERE greatest(b.created_at, s.since) < decided_by
    UNION ALL
    SELECT 'overdue', b.event_id, b.id, b.state, b.hold_until
      FROM bookings b, limits
     WHERE b.state IN ('held', 'authorising', 'requires_action', 'authorised') AND b.hold_until < paid_by
       AND (CAST(:event_id AS bigint) IS NULL OR b.event_id = :event_id)
    UNION ALL
    SELECT CASE b.state WHEN 'committed' THEN 'uncaptured' ELSE 'refund_open' END, b.event_id, b.id, b.state, moved.at
      FROM bookings b
     CROSS JOIN LATERAL (SELECT max(h.at) AS at FROM booking_history h
                          WHERE h.event_id = b.event_id AND h.booking_id = b.id) AS moved, limits
     WHERE (b.state = 'committed' OR b.state = 'refunding')
       AND moved.at < CASE b.state WHEN 'committed' THEN settled_by ELSE refunded_by END
       AND (CAST(:event_id AS bigint) IS NULL OR b.event_id = :event_id)
    UNION ALL
    SELECT 'unreleased', b.event_id, b.id, b.state, b.ended_at
      FROM payments p JOIN bookings b ON b.event_id = p.event_id AND b.id = p.booking_id, limits
     WHERE NOT p.settled AND b.state IN ('expired', 'cancelled', 'payment_failed', 'failed') AND b.ended_at < settled_by
       AND (CAST(:event_id AS bigint) IS NULL OR b.event_id = :event_id)
), counted AS (
    SELECT found.*, count(*) OVER (PARTITION BY kind) AS many, row_number() OVER (PARTITION BY kind ORDER BY since, id) AS place
      FROM found
)
SELECT kind, event_id, id, state, since, CAST(extract(epoch FROM limits.now - since) AS float) AS seconds, many
  FROM counted, limits WHERE place <= :each ORDER BY since, id
