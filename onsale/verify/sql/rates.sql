-- What the organiser set, and when: every change of the rate, of the phase and of the switch.
SELECT (extract(epoch FROM at) * 1000000)::bigint AS at_us,
       (body -> 'rate_per_minute' ->> 'from')::integer AS rate_from,
       (body -> 'rate_per_minute' ->> 'to')::integer AS rate_to
  FROM sale_log
 WHERE event_id = :event_id AND kind = 'queue_changed' AND body ? 'rate_per_minute'
 ORDER BY seq
