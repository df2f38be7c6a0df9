-- What is out of sale has a booking in a state that says so, within its time; and nothing was let go before its time.
SELECT format('ticket %s is %s for booking %s, which is %s', t.id, t.state, t.booking_id,
              coalesce(b.state, 'not there')) AS what
  FROM tickets t LEFT JOIN bookings b ON b.event_id = t.event_id AND b.id = t.booking_id
 WHERE t.event_id = :event_id
   AND ((t.state = 'held' AND coalesce(b.state, '') NOT IN ('held', 'authorising', 'requires_action', 'authorised'))
        OR (t.state = 'sold' AND coalesce(b.state, '') NOT IN ('committed', 'confirmed', 'refunding')))
UNION ALL
SELECT format('ticket %s is held although its time was over at %s', t.id, t.held_until)
  FROM tickets t JOIN bookings b ON b.event_id = t.event_id AND b.id = t.booking_id
 WHERE t.event_id = :event_id AND t.state = 'held'
   AND t.held_until < now() - interval '1 second'
       * CASE WHEN b.state = 'held' AND NOT b.voiding THEN CAST(:sweep_seconds AS integer) ELSE :pay_seconds END
UNION ALL
SELECT format('ticket %s is held until %s, its booking %s until %s', t.id, t.held_until, b.id, b.hold_until)
  FROM tickets t JOIN bookings b ON b.event_id = t.event_id AND b.id = t.booking_id
 WHERE t.event_id = :event_id AND t.state = 'held' AND t.held_until IS DISTINCT FROM b.hold_until
UNION ALL
SELECT format('ticket %s is kept for booking %s, which is %s', bt.ticket_id, b.id, b.state)
  FROM booking_tickets bt JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
 WHERE bt.event_id = :event_id AND bt.released_at IS NULL
   AND b.state NOT IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding')
UNION ALL
SELECT format('ticket %s of booking %s was let go at %s, and the booking is %s', bt.ticket_id, b.id, bt.released_at,
              b.state)
  FROM booking_tickets bt JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
 WHERE bt.event_id = :event_id AND bt.released_at IS NOT NULL AND bt.refund_id IS NULL
   AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding', 'refunded')
UNION ALL
SELECT format('booking %s expired at %s, before its time was over at %s', b.id, b.ended_at, b.hold_until)
  FROM bookings b WHERE b.event_id = :event_id AND b.state = 'expired' AND b.ended_at < b.hold_until
UNION ALL
-- Both moments are of the one statement that ends a booking, whatever ends it; clocks differ after a failover.
SELECT format('ticket %s of booking %s was let go at %s, before the booking ended at %s', bt.ticket_id, b.id,
              bt.released_at, b.ended_at)
  FROM booking_tickets bt JOIN bookings b ON b.event_id = bt.event_id AND b.id = bt.booking_id
 WHERE bt.event_id = :event_id AND bt.released_at < b.ended_at - interval '1 second'
UNION ALL
-- A deadline is set to pay_seconds from then: by the hold, by each extension, by each card tried. It is longer for who
-- was written a letter, for who was offered a ticket that came back (its claim window), and for a payment whose outcome
-- comes later; for all of them as the record says.
SELECT format('booking %s is held until %s, which %s extensions and %s cards of %s seconds do not give', b.id,
              b.hold_until, b.hold_extensions, cards.tried, pay.seconds)
  FROM bookings b
 CROSS JOIN (SELECT greatest(max(s.pay_seconds), max((l.body -> 'pay_seconds' ->> 'from')::integer),
                             max((l.body -> 'pay_seconds' ->> 'to')::integer)) AS seconds
               FROM queue_settings s
               LEFT JOIN sale_log l ON l.event_id = s.event_id AND l.kind = 'queue_changed' AND l.body ? 'pay_seconds'
              WHERE s.event_id = :event_id) AS pay
 CROSS JOIN (SELECT away_pay_seconds FROM events WHERE id = :event_id) AS e
  LEFT JOIN (SELECT DISTINCT booking_id FROM letters
              WHERE event_id = :event_id AND kind = 'needs_buyer') AS written ON written.booking_id = b.id
  LEFT JOIN (SELECT booking_id, max(processing_until) AS until FROM payment_attempts
              WHERE event_id = :event_id GROUP BY booking_id) AS waited ON waited.booking_id = b.id
  LEFT JOIN (SELECT booking_id, count(*) AS times FROM booking_history
              WHERE event_id = :event_id AND to_state = 'authorising' GROUP BY booking_id) AS h ON h.booking_id = b.id
  LEFT JOIN waiting_list_offers o ON o.event_id = b.event_id AND o.booking_id = b.id
 CROSS JOIN LATERAL (SELECT coalesce(h.times, 0) AS tried) AS cards
 WHERE b.event_id = :event_id AND b.hold_version IS NOT NULL
   AND (b.hold_extensions > :extensions_max
        OR b.hold_until > interval '1 second' * (:sweep_seconds + coalesce(o.claim_seconds, 0)
               + CASE WHEN written.booking_id IS NULL THEN 0 ELSE greatest(e.away_pay_seconds, pay.seconds) END)
           + greatest(waited.until, least(b.decided_at + (1 + b.hold_extensions + cards.tried) * pay.seconds * interval '1 second',
                   coalesce(b.ended_at, now()) + pay.seconds * interval '1 second')))
