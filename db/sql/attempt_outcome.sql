-- What came of a card, for booking, attempt and a buyer who is away. Raw: one guarded statement, or they could disagree after a crash.
WITH tried AS MATERIALIZED (
    -- Only the card saved with a hands-free booking is tried while its buyer is away, and what is known days later.
    SELECT b.event_id, b.id, a.processing_until IS NOT NULL AS waited,
           -- The bank was not asked about this card, and still asks about an earlier one: whose answer would count.
           CASE WHEN NOT :heard AND EXISTS (SELECT FROM payment_attempts open WHERE open.event_id = a.event_id
                     AND open.booking_id = a.booking_id AND open.attempt < a.attempt AND open.outcome = 'requires_action')
                THEN 'requires_action' ELSE :state END AS state, y.email, e.away_pay_seconds, s.pay_seconds,
           y.email IS NOT NULL AND :state IN ('requires_action', 'held')
           AND (a.processing_until IS NOT NULL OR (b.payment_method IS NOT NULL AND :attempt = 1)) AS away
      FROM bookings b
      JOIN payment_attempts a ON a.event_id = b.event_id AND a.booking_id = b.id AND a.attempt = :attempt
                             AND a.outcome IN ('pending', 'requires_action')
      JOIN events e ON e.id = b.event_id
      JOIN queue_settings s ON s.event_id = b.event_id
      LEFT JOIN buyers y ON y.id = b.buyer_id
     WHERE b.event_id = :event_id AND b.id = :id
       AND NOT EXISTS (SELECT FROM payment_attempts later WHERE later.event_id = a.event_id
                        AND later.booking_id = a.booking_id AND later.attempt > a.attempt
                        AND later.outcome IN ('pending', 'requires_action', 'authorised'))
), moved AS (
    UPDATE bookings b
       SET state = tried.state, version = b.version + 1,
           hold_until = CASE
               -- Nobody waits for the outcome any more: the days it might have taken are over.
               WHEN tried.waited AND :state = 'held' THEN clock_timestamp() + interval '1 second'
                    * CASE WHEN tried.away THEN greatest(tried.pay_seconds, tried.away_pay_seconds)
                           ELSE tried.pay_seconds END
               WHEN tried.away THEN greatest(b.hold_until, clock_timestamp() + tried.away_pay_seconds * interval '1 second')
               ELSE b.hold_until END
      FROM tried
     WHERE b.event_id = tried.event_id AND b.id = tried.id
       AND b.state = ANY (CAST(:before AS text[])) AND (NOT b.voiding OR :also_voiding)
       -- Of a card over its limit the money is let go, and the hold goes on (db/card_limits.py).
       AND NOT (b.voiding AND b.reason IS NOT DISTINCT FROM 'card_limit')
    RETURNING b.*
), told AS (
    UPDATE payment_attempts a
       SET outcome = :outcome, decline_code = :decline_code, message = :message, next_action_url = :next_action_url,
           provider_method = coalesce(:provider_method, a.provider_method), updated_at = clock_timestamp()
      FROM moved
     WHERE a.event_id = moved.event_id AND a.booking_id = moved.id AND a.attempt = :attempt
), replaced AS (
    -- The bank's word on a card is its last on all before: their questions can no longer be answered.
    UPDATE payment_attempts a SET outcome = 'abandoned', updated_at = clock_timestamp()
      FROM moved
     WHERE :heard AND a.event_id = moved.event_id AND a.booking_id = moved.id AND a.attempt < :attempt
       AND a.outcome = 'requires_action'
), kept AS (
    UPDATE tickets t SET held_until = moved.hold_until
      FROM tried JOIN moved ON moved.event_id = tried.event_id AND moved.id = tried.id
      JOIN booking_tickets bt ON bt.event_id = moved.event_id AND bt.booking_id = moved.id
     WHERE (tried.away OR tried.waited) AND t.event_id = bt.event_id AND t.id = bt.ticket_id
       AND t.booking_id = moved.id AND t.state = 'held'
), written AS (
    INSERT INTO letters (event_id, booking_id, kind, address)
    SELECT moved.event_id, moved.id, 'needs_buyer', tried.email
      FROM moved JOIN tried ON tried.event_id = moved.event_id AND tried.id = moved.id AND tried.away
    ON CONFLICT DO NOTHING
)
SELECT * FROM moved
