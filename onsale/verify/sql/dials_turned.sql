-- What was turned, by the organiser or by the clock, and when.
SELECT (extract(epoch FROM at) * 1000000)::bigint AS at_us,
       (body -> 'rate_per_minute' ->> 'from')::integer AS rate_from,
       (body -> 'rate_per_minute' ->> 'to')::integer AS rate_to,
       CASE kind WHEN 'queue_opened' THEN 'scheduled' ELSE body -> 'phase' ->> 'from' END AS phase_from,
       CASE kind WHEN 'queue_opened' THEN 'open' ELSE body -> 'phase' ->> 'to' END AS phase_to,
       (extract(epoch FROM (body -> 'opens_at' ->> 'from')::timestamptz) * 1000000)::bigint AS opens_from_us,
       (extract(epoch FROM (body -> 'opens_at' ->> 'to')::timestamptz) * 1000000)::bigint AS opens_to_us,
       body -> 'enabled' ->> 'to' IS NOT DISTINCT FROM 'true' AS switched_on
  FROM sale_log
 WHERE event_id = :event_id AND kind IN ('queue_changed', 'queue_opened')
 ORDER BY seq
