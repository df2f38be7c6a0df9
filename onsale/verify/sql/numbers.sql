-- How the sale stands, in numbers.
SELECT (SELECT count(*) FROM tickets WHERE event_id = :event_id) AS tickets,
       (SELECT count(*) FROM tickets WHERE event_id = :event_id AND state = 'sold') AS sold,
       (SELECT count(*) FROM tickets WHERE event_id = :event_id AND state = 'held') AS held,
       (SELECT count(*) FROM bookings WHERE event_id = :event_id) AS bookings,
       (SELECT count(*) FROM bookings WHERE event_id = :event_id AND state = 'confirmed') AS confirmed,
       (SELECT count(*) FROM captures WHERE event_id = :event_id) AS captures,
       (SELECT coalesce(sum(amount_minor), 0)::bigint FROM captures WHERE event_id = :event_id) AS captured_minor,
       (SELECT count(*) FROM (SELECT FROM booking_tickets WHERE event_id = :event_id AND released_at IS NULL
                               GROUP BY ticket_id HAVING count(*) > 1) AS twice) AS double_sold,
       (SELECT coalesce(sum(admitted), 0)::bigint FROM admission_log WHERE event_id = :event_id) AS admitted,
       (SELECT rate_per_minute FROM queue_settings WHERE event_id = :event_id) AS rate_per_minute
