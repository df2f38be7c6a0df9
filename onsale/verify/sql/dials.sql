-- How the queue's dials stand: the rate, the phase, the opening.
SELECT rate_per_minute, phase, (extract(epoch FROM opens_at) * 1000000)::bigint AS opens_at_us
  FROM queue_settings WHERE event_id = :event_id
