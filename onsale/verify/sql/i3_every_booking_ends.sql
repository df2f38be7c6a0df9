-- An accepted booking has ended, or is younger than what it may take; graces leave time for sweeps and lost wake-ups.
SELECT format('booking %s is queued since %s, while selling is on', b.id, b.queued_at) AS what
  FROM bookings b JOIN queue_settings s ON s.event_id = b.event_id
 WHERE b.event_id = :event_id AND b.state = 'queued' AND s.selling
   AND b.queued_at < clock_timestamp() - :decide_seconds * interval '1 second'
UNION ALL
SELECT format('booking %s is %s although its time was over at %s', b.id, b.state, b.hold_until)
  FROM bookings b
 WHERE b.event_id = :event_id AND b.state IN ('held', 'authorising', 'requires_action', 'authorised')
   AND b.hold_until < clock_timestamp() - :pay_seconds * interval '1 second'
UNION ALL
SELECT format('booking %s is %s since %s', b.id, b.state, h.at)
  FROM bookings b
  JOIN LATERAL (SELECT max(at) AS at FROM booking_history h
                 WHERE h.event_id = b.event_id AND h.booking_id = b.id) h ON true
 WHERE b.event_id = :event_id AND b.state IN ('committed', 'refunding')
   AND h.at < clock_timestamp() - :settle_seconds * interval '1 second'
UNION ALL
SELECT format('booking %s waits under number %s, which was reached', b.id, b.number)
  FROM bookings b JOIN queue_checkpoints q ON q.event_id = b.event_id JOIN queue_settings s ON s.event_id = b.event_id
 WHERE b.event_id = :event_id AND b.state = 'waiting' AND b.return_number IS NULL AND s.selling
   AND b.number <= q.serving AND q.at < clock_timestamp() - :decide_seconds * interval '1 second'
   AND b.created_at < clock_timestamp() - :decide_seconds * interval '1 second'
UNION ALL
SELECT format('booking %s waits for a turn that cannot come: the queue is closed or every ticket is sold', b.id)
  FROM bookings b JOIN queue_settings s ON s.event_id = b.event_id
 WHERE b.event_id = :event_id AND b.state = 'waiting'
   AND b.created_at < clock_timestamp() - :decide_seconds * interval '1 second'
   AND ((s.phase = 'closed' AND s.updated_at < clock_timestamp() - :decide_seconds * interval '1 second')
        OR (s.selling AND NOT EXISTS (SELECT FROM tickets t WHERE t.event_id = :event_id AND t.state <> 'sold')
            AND (SELECT max(taken_at) FROM booking_tickets bt WHERE bt.event_id = :event_id)
                < clock_timestamp() - :pay_seconds * interval '1 second'))
