-- From `new` on, each move begins where the one before ended, is a legal one, and the last is where the booking is.
WITH moves AS (
    SELECT booking_id, version, from_state, to_state,
           coalesce(lag(version) OVER (PARTITION BY booking_id ORDER BY version), 0) AS version_before,
           lag(to_state) OVER (PARTITION BY booking_id ORDER BY version) AS before,
           at, lag(at) OVER (PARTITION BY booking_id ORDER BY version) AS at_before,
           lead(version) OVER (PARTITION BY booking_id ORDER BY version) IS NULL AS is_last
      FROM booking_history WHERE event_id = :event_id
)
SELECT format('booking %s moved from %s when it was %s', booking_id, from_state, coalesce(before, 'new')) AS what
  FROM moves WHERE from_state <> coalesce(before, 'new')
UNION ALL
SELECT format('booking %s moved from %s to %s, which is no legal move', booking_id, from_state, to_state)
  FROM moves m
 WHERE NOT EXISTS (SELECT FROM booking_moves l WHERE l.from_state = m.from_state AND l.to_state = m.to_state)
UNION ALL
SELECT format('booking %s has nothing in its history between versions %s and %s', booking_id, version_before, version)
  FROM moves WHERE version <> version_before + 1
UNION ALL
SELECT format('booking %s is %s at version %s, its history ends with %s at version %s', b.id, b.state, b.version,
              coalesce(m.to_state, 'nothing'), m.version)
  FROM bookings b LEFT JOIN moves m ON m.booking_id = b.id AND m.is_last
 WHERE b.event_id = :event_id AND (m.to_state IS DISTINCT FROM b.state OR m.version IS DISTINCT FROM b.version)
UNION ALL
-- After a failover the clock is another machine's.
SELECT format('booking %s moved to %s at %s, and had moved to %s at %s', booking_id, to_state, at, before, at_before)
  FROM moves WHERE at < at_before - interval '1 second'
