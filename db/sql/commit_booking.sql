-- Sells what a booking holds, by the hold's version, or nothing at all. Raw: tickets and state must move in one statement.
WITH mine AS (
    SELECT event_id, id, tickets_taken FROM bookings
     WHERE event_id = :event_id AND id = :id AND NOT voiding
       AND (state = 'authorised' OR (state = 'held' AND amount_minor = 0))
       FOR UPDATE
), ours AS (
    SELECT t.event_id, t.id, t.version
      FROM mine
      -- Not "IS NULL": before its first ANALYZE the planner takes sale_index for that, and reads all sales of the event.
      JOIN booking_tickets bt ON bt.event_id = mine.event_id AND bt.booking_id = mine.id
                             AND coalesce(bt.released_at, 'infinity') = 'infinity'
      JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
     WHERE t.state = 'held' AND t.booking_id = mine.id AND t.version = bt.hold_version
), sold AS (
    UPDATE tickets t SET state = 'sold', held_until = NULL, version = t.version + 1
      FROM mine, ours
     WHERE t.event_id = ours.event_id AND t.id = ours.id AND t.version = ours.version AND t.state = 'held'
       AND mine.tickets_taken = (SELECT count(*) FROM ours)
    RETURNING t.id
), committed AS (
    UPDATE bookings b SET state = 'committed', version = b.version + 1
      FROM mine
     WHERE b.event_id = mine.event_id AND b.id = mine.id AND mine.tickets_taken = (SELECT count(*) FROM sold)
    RETURNING b.id
)
SELECT (SELECT count(*) FROM mine) AS found, (SELECT count(*) FROM sold) AS sold, (SELECT count(*) FROM committed) AS committed
