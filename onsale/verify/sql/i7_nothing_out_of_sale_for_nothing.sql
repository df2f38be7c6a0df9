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
 WHERE bt.event_id = :event_id AND bt.released_at IS NOT NULL
   AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed')
UNION ALL
SELECT format('booking %s expired at %s, before its time was over at %s', b.id, b.ended_at, b.hold_until)
  FROM bookings b WHERE b.event_id = :event_id AND b.state = 'expired' AND b.ended_at < b.hold_until
