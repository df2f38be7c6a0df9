-- Gives held offers the list's claim window instead of the time to pay, on booking and tickets alike, once. Raw: one statement, so
-- that they never differ. Whoever pays already has the time that paying gives.
WITH opened AS (
    UPDATE waiting_list_offers o SET window_at = clock_timestamp()
      FROM (SELECT w.event_id, w.offer_id FROM waiting_list_entries w
              JOIN waiting_list_offers n ON n.event_id = w.event_id AND n.booking_id = w.offer_id
              JOIN bookings b ON b.event_id = w.event_id AND b.id = w.offer_id
             WHERE w.event_id = :event_id AND w.ended_at IS NULL AND w.offer_id IS NOT NULL
               AND n.window_at IS NULL AND b.hold_version IS NOT NULL
             LIMIT :limit) AS held
     WHERE o.event_id = held.event_id AND o.booking_id = held.offer_id
    RETURNING o.event_id, o.booking_id, o.buyer_id, o.claim_seconds
), moved AS (
    UPDATE bookings b SET hold_until = b.decided_at + opened.claim_seconds * interval '1 second'
      FROM opened
     WHERE b.event_id = opened.event_id AND b.id = opened.booking_id
       AND b.state = 'held' AND NOT b.voiding AND b.hold_extensions = 0 AND b.version = b.hold_version
    RETURNING b.event_id, b.id, b.hold_until
), told AS (
    UPDATE tickets t SET held_until = moved.hold_until
      FROM moved JOIN booking_tickets bt ON bt.event_id = moved.event_id AND bt.booking_id = moved.id
     WHERE t.event_id = bt.event_id AND t.id = bt.ticket_id AND t.booking_id = moved.id AND t.state = 'held'
)
SELECT opened.booking_id, opened.buyer_id, w.tell
  FROM opened JOIN waiting_list_entries w ON w.event_id = opened.event_id AND w.buyer_id = opened.buyer_id
