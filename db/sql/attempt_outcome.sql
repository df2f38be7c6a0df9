-- What came of a card, for booking, attempt and a buyer who is away. Raw: one guarded statement, or they could disagree after a crash.
WITH moved AS (
    UPDATE bookings b SET state = :state, version = b.version + 1
     WHERE b.event_id = :event_id AND b.id = :id
       AND b.state = ANY (CAST(:before AS text[])) AND (NOT b.voiding OR :also_voiding)
       AND EXISTS (SELECT FROM payment_attempts a WHERE a.event_id = b.event_id AND a.booking_id = b.id
                    AND a.attempt = :attempt
                    AND NOT EXISTS (SELECT FROM payment_attempts later WHERE later.event_id = a.event_id
                                     AND later.booking_id = a.booking_id AND later.attempt > a.attempt))
    RETURNING b.*
), told AS (
    UPDATE payment_attempts a
       SET outcome = :outcome, decline_code = :decline_code, message = :message, next_action_url = :next_action_url,
           updated_at = clock_timestamp()
      FROM moved
     WHERE a.event_id = moved.event_id AND a.booking_id = moved.id AND a.attempt = :attempt
), written AS (
    -- Only the card saved with a hands-free booking is tried while its buyer is away.
    INSERT INTO letters (event_id, booking_id, kind, address)
    SELECT moved.event_id, moved.id, 'needs_buyer', buyers.email
      FROM moved JOIN buyers ON buyers.id = moved.buyer_id AND buyers.email IS NOT NULL
     WHERE moved.payment_method IS NOT NULL AND :attempt = 1 AND moved.state IN ('requires_action', 'held')
    ON CONFLICT DO NOTHING
)
SELECT * FROM moved
