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
   AND t.held_until < clock_timestamp() - interval '1 second'
       * CASE WHEN b.state = 'held' THEN CAST(:sweep_seconds AS integer) ELSE :pay_seconds END
UNION ALL
SELECT format('booking %s expired at %s, before its time was over at %s', b.id, b.ended_at, b.hold_until)
  FROM bookings b WHERE b.event_id = :event_id AND b.state = 'expired' AND b.ended_at < b.hold_until
