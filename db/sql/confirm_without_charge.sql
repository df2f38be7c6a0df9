-- A booking that costs nothing is confirmed, and its letter written. Raw: a crash must not leave one without the other.
WITH confirmed AS (
    UPDATE bookings SET state = 'confirmed', version = version + 1, ended_at = clock_timestamp()
     WHERE event_id = :event_id AND id = :id AND state = 'committed' AND amount_minor = 0
    RETURNING event_id, id, buyer_id
), written AS (
    INSERT INTO letters (event_id, booking_id, kind, address)
    SELECT confirmed.event_id, confirmed.id, 'tickets', buyers.email
      FROM confirmed JOIN buyers ON buyers.id = confirmed.buyer_id AND buyers.email IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM confirmed
