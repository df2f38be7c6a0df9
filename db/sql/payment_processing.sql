-- The provider will know later: the tickets wait for it, once and for so long. Raw: hold, tickets and attempt in one, or they could disagree.
WITH moved AS (
    UPDATE bookings b
       SET state = 'authorising', version = b.version + CASE b.state WHEN 'authorising' THEN 0 ELSE 1 END,
           hold_until = greatest(b.hold_until, clock_timestamp() + :seconds * interval '1 second')
      FROM payment_attempts a
     WHERE b.event_id = :event_id AND b.id = :id AND b.state IN ('authorising', 'requires_action') AND NOT b.voiding
       AND a.event_id = b.event_id AND a.booking_id = b.id AND a.attempt = :attempt
       AND a.outcome IN ('pending', 'requires_action') AND a.processing_until IS NULL
    RETURNING b.event_id, b.id, b.hold_until
), told AS (
    UPDATE tickets t SET held_until = moved.hold_until
      FROM moved JOIN booking_tickets bt ON bt.event_id = moved.event_id AND bt.booking_id = moved.id
     WHERE t.event_id = bt.event_id AND t.id = bt.ticket_id AND t.booking_id = moved.id AND t.state = 'held'
), noted AS (
    UPDATE payment_attempts a SET processing_until = moved.hold_until, outcome = 'pending', updated_at = clock_timestamp()
      FROM moved
     WHERE a.event_id = moved.event_id AND a.booking_id = moved.id AND a.attempt = :attempt
), replaced AS (
    -- As in attempt_outcome.sql.
    UPDATE payment_attempts a SET outcome = 'abandoned', updated_at = clock_timestamp()
      FROM moved
     WHERE a.event_id = moved.event_id AND a.booking_id = moved.id AND a.attempt < :attempt
       AND a.outcome = 'requires_action'
)
SELECT hold_until FROM moved
