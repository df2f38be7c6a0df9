-- How an event's checkout is doing: bookings that wait to be decided, payments under way, cards just refused.
-- Raw: three bounded walks, each down an index that holds nothing but what is on its way. `event_id + 0`: else a table without
-- statistics is read by its keys too, all of the event's bookings.
WITH queued AS (
    SELECT count(*) AS many, min(queued_at) AS since
      FROM (SELECT queued_at FROM bookings WHERE event_id = :event_id AND state = 'queued'
             ORDER BY number, created_at, id LIMIT :rows_max) AS waiting
), paying AS (
    SELECT b.state, b.decided_at, b.claimed_until, a.created_at AS tried_at, a.processing_until
      FROM (SELECT id, state, decided_at, claimed_until, payment_method FROM bookings
             WHERE event_id + 0 = :event_id AND NOT voiding
               AND state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed')
               AND (state IN ('authorising', 'authorised', 'committed') OR (state = 'held' AND payment_method IS NOT NULL))
             ORDER BY hold_until LIMIT :rows_max) AS b
      LEFT JOIN LATERAL (SELECT created_at, processing_until FROM payment_attempts
                          WHERE event_id = :event_id AND booking_id = b.id ORDER BY attempt DESC LIMIT 1) AS a ON true
), under_way AS (
    -- A saved card that was not tried yet waits for a worker; one that was tried and refused waits for its buyer, and
    -- what a bank tells days later waits for the bank.
    SELECT greatest(extract(epoch FROM clock_timestamp() - coalesce(tried_at, decided_at)), 0)::float AS age,
           claimed_until IS NOT NULL AND claimed_until > clock_timestamp() AS carried
      FROM paying
     WHERE processing_until IS NULL AND (state <> 'held' OR tried_at IS NULL)
       -- Sold and not paid for so long is an alarm (db/stuck.py), and may stay for ever: it says nothing about now.
       AND (state <> 'committed' OR tried_at > clock_timestamp() - :stuck_seconds * interval '1 second')
), refused AS (
    SELECT count(*) AS many
      FROM (SELECT id FROM bookings
             WHERE event_id + 0 = :event_id AND state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed')
               AND state = 'held' ORDER BY hold_until DESC LIMIT :rows_max) AS b
      JOIN LATERAL (SELECT outcome, updated_at FROM payment_attempts
                     WHERE event_id = :event_id AND booking_id = b.id ORDER BY attempt DESC LIMIT 1) AS a ON true
     WHERE a.outcome = 'declined' AND a.updated_at > clock_timestamp() - :lately_seconds * interval '1 second'
)
SELECT queued.many AS backlog,
       CASE WHEN s.selling THEN coalesce(extract(epoch FROM clock_timestamp() - queued.since), 0) ELSE 0 END::float
           AS backlog_seconds,
       (SELECT count(*) FROM under_way WHERE carried) AS carried,
       coalesce((SELECT avg(age) FROM under_way WHERE carried), 0) AS carried_seconds,
       (SELECT count(*) FROM under_way WHERE NOT carried) AS uncarried,
       coalesce((SELECT avg(age) FROM under_way WHERE NOT carried), 0) AS uncarried_seconds,
       refused.many AS declined
  FROM queued, refused, queue_settings s WHERE s.event_id = :event_id
