-- The money is given back, by the bank or in another way (`way`): the refund, the booking's next state and the letter in one. Raw: a crash must not leave one without the others.
WITH ended AS (
    UPDATE refunds
       SET state = 'succeeded', provider_refund_id = :provider_refund_id, why = NULL, ended_at = clock_timestamp(),
           -- A bank may send it back without our hearing of it: when to ask about it again.
           believed = false, due_at = clock_timestamp() + :first_look_seconds * interval '1 second',
           paid_elsewhere = :way, paid_by = :by, paid_note = :note
     WHERE id = :refund_id AND attempt = :attempt AND state = ANY (CAST(:before AS text[]))
    RETURNING id, event_id, booking_id, reason
), moved AS (
    UPDATE bookings b
       SET state = CASE WHEN b.tickets_taken > 0 THEN 'confirmed' ELSE 'refunded' END, version = b.version + 1
      FROM ended
     WHERE b.event_id = ended.event_id AND b.id = ended.booking_id AND b.state = 'refunding'
       -- Another one that is still to be given back keeps the booking where it is.
       AND NOT EXISTS (SELECT FROM refunds other
                        WHERE other.event_id = b.event_id AND other.booking_id = b.id AND other.id <> ended.id
                          AND other.state <> 'succeeded')
    RETURNING 1
), written AS (
    INSERT INTO letters (event_id, booking_id, kind, address)
    SELECT b.event_id, b.id, 'refunded', buyers.email
      FROM ended JOIN bookings b ON b.event_id = ended.event_id AND b.id = ended.booking_id
      JOIN buyers ON buyers.id = b.buyer_id AND buyers.email IS NOT NULL
     -- Whose event was cancelled has been told what comes back to the card.
     WHERE ended.reason <> 'event_cancelled' OR CAST(:way AS text) = 'outside'
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM ended
