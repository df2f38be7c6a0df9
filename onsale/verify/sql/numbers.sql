-- How the sale stands, in numbers.
WITH of_tickets AS (
    SELECT count(*) AS tickets, count(*) FILTER (WHERE state = 'sold') AS sold,
           count(*) FILTER (WHERE state = 'held') AS held
      FROM tickets WHERE event_id = :event_id
), of_bookings AS (
    SELECT state, count(*) AS bookings, count(queued_xid) AS queued, count(batch_snapshot) AS decided
      FROM bookings WHERE event_id = :event_id GROUP BY state
), of_captures AS (
    SELECT count(*) AS captured, coalesce(sum(amount_minor), 0)::bigint AS captured_minor
      FROM captures WHERE event_id = :event_id
), of_runs AS (
    SELECT count(*) AS runs, coalesce(sum(admitted), 0)::bigint AS admitted FROM admission_log WHERE event_id = :event_id
)
SELECT of_tickets.*, of_captures.*, of_runs.*,
       (SELECT coalesce(sum(bookings), 0)::bigint FROM of_bookings) AS bookings,
       (SELECT coalesce(sum(queued), 0)::bigint FROM of_bookings) AS queued,
       (SELECT coalesce(sum(decided), 0)::bigint FROM of_bookings) AS decided,
       (SELECT coalesce(sum(bookings), 0)::bigint FROM of_bookings WHERE state = 'confirmed') AS confirmed,
       (SELECT coalesce(sum(bookings), 0)::bigint FROM of_bookings WHERE state = ANY (CAST(:ended AS text[]))) AS ended,
       (SELECT coalesce(jsonb_object_agg(state, bookings), '{}') FROM of_bookings) AS bookings_by_state,
       (SELECT count(DISTINCT buyer_id) FROM bookings WHERE event_id = :event_id) AS buyers,
       (SELECT count(*) FROM booking_history WHERE event_id = :event_id) AS moves,
       (SELECT count(*) FROM booking_tickets WHERE event_id = :event_id) AS taken,
       (SELECT count(checked_in_at) FROM booking_tickets WHERE event_id = :event_id) AS let_in,
       (SELECT count(*) FROM refunds WHERE event_id = :event_id) AS refunds,
       (SELECT count(*) FROM join_journal WHERE event_id = :event_id) AS joins,
       (SELECT count(*) FROM (SELECT FROM booking_tickets WHERE event_id = :event_id AND released_at IS NULL
                               GROUP BY ticket_id HAVING count(*) > 1) AS twice) AS double_sold
  FROM of_tickets, of_captures, of_runs
