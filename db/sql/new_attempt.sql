-- A card is tried: state, deadline, tickets and the attempt in one. Raw: a hold must not run out between the two.
WITH moved AS (
    UPDATE bookings b
       SET state = 'authorising', version = b.version + 1,
           hold_until = greatest(b.hold_until, clock_timestamp() + s.pay_seconds * interval '1 second')
      FROM queue_settings s
     WHERE b.event_id = :event_id AND b.id = :id AND s.event_id = b.event_id
       AND b.state IN ('held', 'requires_action') AND NOT b.voiding AND b.hold_until > clock_timestamp()
    RETURNING b.event_id, b.id, b.hold_until
), told AS (
    UPDATE tickets t SET held_until = moved.hold_until
      FROM moved JOIN booking_tickets bt ON bt.event_id = moved.event_id AND bt.booking_id = moved.id
     WHERE t.event_id = bt.event_id AND t.id = bt.ticket_id AND t.booking_id = moved.id AND t.state = 'held'
)
-- A question that a bank still asks about an earlier card stays: only the bank's word on this one ends it (attempt_outcome.sql).
INSERT INTO payment_attempts (event_id, booking_id, attempt, payment_method, return_url, idempotency_key)
SELECT event_id, id, :attempt, :payment_method, :return_url, :key FROM moved
RETURNING *
