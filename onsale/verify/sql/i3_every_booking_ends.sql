-- An accepted booking has ended, or is younger than what it may take; graces leave time for sweeps and lost wake-ups.
WITH dials AS (
    -- Who waited while nothing was sold has its time from the moment that selling went on.
    SELECT s.selling, s.phase,
           (SELECT coalesce(max(at), '-infinity') FROM sale_log
             WHERE event_id = :event_id AND kind = 'queue_changed' AND body ? 'selling') AS selling_since,
           (SELECT coalesce(max(at), '-infinity') FROM sale_log
             WHERE event_id = :event_id AND kind = 'queue_changed' AND body ? 'phase') AS phase_since
      FROM queue_settings s WHERE s.event_id = :event_id
), patience AS (
    SELECT now() - :decide_seconds * interval '1 second' AS decided_by,
           now() - :pay_seconds * interval '1 second' AS paid_by,
           now() - :settle_seconds * interval '1 second' AS settled_by
)
SELECT format('booking %s is queued since %s, while selling is on', b.id, b.queued_at) AS what
  FROM bookings b, dials, patience
 WHERE b.event_id = :event_id AND b.state = 'queued' AND dials.selling
   AND b.queued_at < decided_by AND dials.selling_since < decided_by
UNION ALL
SELECT format('booking %s is %s although its time was over at %s', b.id, b.state, b.hold_until)
  FROM bookings b, patience
 WHERE b.event_id = :event_id AND b.state IN ('held', 'authorising', 'requires_action', 'authorised')
   AND b.hold_until < paid_by
UNION ALL
SELECT format('booking %s is %s since %s', b.id, b.state, h.at)
  FROM bookings b
  JOIN LATERAL (SELECT max(at) AS at FROM booking_history h
                 WHERE h.event_id = b.event_id AND h.booking_id = b.id) h ON true
 CROSS JOIN patience
 WHERE b.event_id = :event_id AND b.state IN ('committed', 'refunding') AND h.at < settled_by
   -- What the provider has it has; a bank may take days.
   AND NOT EXISTS (SELECT FROM refunds r WHERE r.event_id = b.event_id AND r.booking_id = b.id
                    AND r.state = 'sent' AND r.provider_refund_id IS NOT NULL)
UNION ALL
SELECT format('booking %s waits under number %s, which was reached', b.id, coalesce(b.return_number, b.number))
  FROM bookings b
  LEFT JOIN queue_checkpoints q ON q.event_id = b.event_id
  LEFT JOIN (SELECT max(last) AS last, max(return_last) AS return_last FROM admission_log, patience
              WHERE event_id = :event_id AND at < decided_by) AS called ON true
 CROSS JOIN dials CROSS JOIN patience
 WHERE b.event_id = :event_id AND b.state = 'waiting' AND dials.selling
   AND b.created_at < decided_by AND dials.selling_since < decided_by
   AND CASE WHEN b.return_number IS NULL
            THEN b.number <= called.last OR (b.number <= q.serving AND q.at < decided_by)
            ELSE b.return_number <= called.return_last OR (b.return_number <= q.return_serving AND q.at < decided_by) END
UNION ALL
SELECT format('booking %s waits for a turn that cannot come: the queue is closed or every ticket is sold', b.id)
  FROM bookings b, dials, patience
 WHERE b.event_id = :event_id AND b.state = 'waiting' AND b.created_at < decided_by
   AND ((dials.phase = 'closed' AND dials.phase_since < decided_by)
        OR (dials.selling AND dials.selling_since < decided_by
            AND NOT EXISTS (SELECT FROM tickets t WHERE t.event_id = :event_id AND t.state <> 'sold')
            AND (SELECT max(taken_at) FROM booking_tickets bt WHERE bt.event_id = :event_id) < paid_by))
UNION ALL
SELECT format('booking %s was accepted at %s and is not there any more', h.booking_id, min(h.at))
  FROM booking_history h
 WHERE h.event_id = :event_id
   AND NOT EXISTS (SELECT FROM bookings b WHERE b.event_id = h.event_id AND b.id = h.booking_id)
 GROUP BY h.booking_id
