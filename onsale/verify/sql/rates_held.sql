-- To what checkout or a ramp held the rate down, and from when on.
SELECT (extract(epoch FROM at) * 1000000)::bigint AS at_us, per_minute FROM rate_steps
 WHERE event_id = :event_id ORDER BY version
