-- Moves the deadline of a hold, on the booking and on its tickets alike. Raw: one statement, so that they never differ.
WITH moved AS (
    UPDATE bookings b
       SET hold_until = greatest(b.hold_until, clock_timestamp() + s.pay_seconds * interval '1 second'),
           hold_extensions = b.hold_extensions + 1
      FROM queue_settings s
     WHERE b.event_id = :event_id AND b.id = :id AND s.event_id = b.event_id
       AND b.state IN ('held', 'authorising', 'requires_action') AND NOT b.voiding
       AND b.hold_until > clock_timestamp() AND b.hold_extensions < :extensions_max
    RETURNING b.event_id, b.id, b.hold_until, b.hold_extensions
), told AS (
    UPDATE tickets t SET held_until = moved.hold_until
      FROM moved JOIN booking_tickets bt ON bt.event_id = moved.event_id AND bt.booking_id = moved.id
     WHERE t.event_id = bt.event_id AND t.id = bt.ticket_id AND t.booking_id = moved.id AND t.state = 'held'
)
SELECT hold_until, hold_extensions FROM moved
