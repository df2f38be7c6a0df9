-- Counts a booking's tickets on a card, unless it paid for too many. Raw: counted and written under one lock, in one statement.
WITH others AS (
    SELECT count(DISTINCT bt.ticket_id) AS tickets
      FROM payment_attempts a
      JOIN bookings b ON b.event_id = a.event_id AND b.id = a.booking_id
      JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id
     WHERE a.event_id = :event_id AND a.card_fingerprint = :fingerprint AND a.booking_id <> :id
       AND a.outcome IN ('pending', 'requires_action', 'authorised')
       AND b.state IN ('authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding')
       -- Not "IS NULL", as in commit_booking.sql.
       AND coalesce(bt.released_at, 'infinity') = 'infinity'
)
UPDATE payment_attempts a SET card_fingerprint = :fingerprint
  FROM others, bookings mine
 WHERE a.event_id = :event_id AND a.booking_id = :id AND a.attempt = :attempt
   AND mine.event_id = a.event_id AND mine.id = a.booking_id
   AND others.tickets + mine.tickets_taken <= :tickets_max
RETURNING a.attempt
