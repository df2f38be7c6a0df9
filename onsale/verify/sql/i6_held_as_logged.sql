-- The rate that holds the one set down is what its log says last; its lines have no gap and go forward in time; and it is
-- held down only where staff switched on what may do it, which the sale log tells.
WITH log AS (
    SELECT version, at, per_minute, because, lag(version, 1, 0) OVER by_version AS version_before,
           lag(at, 1, '-infinity') OVER by_version AS at_before
      FROM rate_steps WHERE event_id = :event_id
    WINDOW by_version AS (ORDER BY version)
), newest AS (SELECT version, per_minute, because FROM log ORDER BY version DESC LIMIT 1)
SELECT format('the log of rates goes from line %s to line %s', version_before, version) AS what
  FROM log WHERE version <> version_before + 1
UNION ALL
SELECT format('line %s of the log of rates is older than the one before', version) FROM log WHERE at < at_before
UNION ALL
SELECT format('the rate is held at %s by version %s, and its log ends with %s by version %s',
              coalesce(c.per_minute::text, 'what was set'), c.version, coalesce(n.per_minute::text, 'what was set'),
              coalesce(n.version, 0))
  FROM rate_control c LEFT JOIN newest n ON true
 WHERE c.event_id = :event_id
   AND (c.version, c.per_minute, c.because) IS DISTINCT FROM (coalesce(n.version, 0), n.per_minute, coalesce(n.because, ''))
UNION ALL
SELECT format('the rate was held down by version %s, and nobody had switched that on', version)
  FROM log
 WHERE version = (SELECT min(version) FROM log) AND NOT EXISTS (
       SELECT FROM sale_log WHERE event_id = :event_id AND kind = 'rate_control_changed')
