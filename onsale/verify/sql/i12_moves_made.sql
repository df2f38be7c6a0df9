-- Each kind of move that was made, one booking that made it, and each the database allows: for db/states.py to judge.
SELECT from_state, to_state, min(booking_id::text) AS booking_id FROM booking_history
 WHERE event_id = :event_id GROUP BY from_state, to_state
UNION ALL
SELECT from_state, to_state, NULL FROM booking_moves
