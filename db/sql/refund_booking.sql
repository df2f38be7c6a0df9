-- Voids sold tickets, records the refund, puts the seats on sale and moves the booking on. Raw: all of it or nothing, in one statement.
-- The caller has locked the booking and compares `voided` with what it asked for: a ticket that was let in meanwhile is not voided.
WITH asked AS (
    INSERT INTO refunds (id, event_id, booking_id, tickets, amount_minor, kept_minor, currency, reason, asked_by,
                         idempotency_key, request_hash)
    VALUES (:refund_id, :event_id, :id, :tickets, :amount_minor, :kept_minor, :currency, :reason, :asked_by,
            :key, :request_hash)
    RETURNING *
), voided AS (
    UPDATE booking_tickets bt SET released_at = clock_timestamp(), refund_id = asked.id
      FROM asked
     WHERE bt.event_id = :event_id AND bt.booking_id = :id AND bt.ticket_id = ANY (CAST(:ticket_ids AS bigint[]))
       -- Not "IS NULL", as in commit_booking.sql.
       AND coalesce(bt.released_at, 'infinity') = 'infinity' AND bt.checked_in_at IS NULL
    RETURNING bt.ticket_id
), freed AS (
    UPDATE tickets t SET state = 'free', booking_id = NULL, held_until = NULL, version = t.version + 1
      FROM voided
     WHERE t.event_id = :event_id AND t.id = voided.ticket_id AND t.state = 'sold' AND t.booking_id = :id
    RETURNING t.id, t.section_id, t.version
), counters AS (
    SELECT section_id FROM section_changes
     WHERE event_id = :event_id AND section_id IN (SELECT section_id FROM freed)
     ORDER BY section_id FOR UPDATE
), changed AS (
    UPDATE section_changes c SET changes = c.changes + 1 FROM counters
     WHERE c.event_id = :event_id AND c.section_id = counters.section_id
    RETURNING 1
), moved AS (
    UPDATE bookings b
       SET state = 'refunding', version = b.version + 1, reason = :reason, tickets_taken = b.tickets_taken - :tickets
     WHERE b.event_id = :event_id AND b.id = :id AND b.state = 'confirmed'
    RETURNING b.id, b.buyer_id
), written AS (
    INSERT INTO letters (event_id, booking_id, kind, address)
    SELECT :event_id, moved.id, 'event_cancelled', buyers.email
      FROM moved JOIN buyers ON buyers.id = moved.buyer_id AND buyers.email IS NOT NULL
     WHERE :reason = 'event_cancelled'
    ON CONFLICT DO NOTHING
)
SELECT asked.*, (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM freed) AS freed,
       (SELECT jsonb_object_agg(freed.id, freed.version) FROM freed) AS versions
  FROM asked
