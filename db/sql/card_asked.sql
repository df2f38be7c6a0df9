-- Which card the provider speaks of, and no later one was sent: it never will be. Raw: found and given up in one statement.
WITH asked AS (
    SELECT event_id, booking_id, attempt FROM payment_attempts
     WHERE event_id = :event_id AND booking_id = :id AND attempt < :attempt
       AND outcome = 'requires_action' AND provider_method = :provider_method
), unsent AS (
    UPDATE payment_attempts a SET outcome = 'abandoned', updated_at = clock_timestamp()
      FROM asked
     WHERE a.event_id = asked.event_id AND a.booking_id = asked.booking_id AND a.attempt > asked.attempt
       AND a.outcome = 'pending'
)
SELECT attempt FROM asked
