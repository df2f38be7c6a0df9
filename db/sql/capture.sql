-- The money is taken: the capture, the move, the intent's last word and the letter with the tickets in one. Raw: guarded by the captures' primary key.
WITH taken AS (
    INSERT INTO captures (event_id, booking_id, amount_minor)
    SELECT event_id, id, :amount_minor FROM bookings WHERE event_id = :event_id AND id = :id AND state = 'committed'
    ON CONFLICT DO NOTHING
    RETURNING event_id, booking_id
), paid AS (
    UPDATE payments p
       SET captured_minor = :amount_minor, status = 'succeeded', settled = true, updated_at = clock_timestamp()
      FROM taken
     WHERE p.event_id = taken.event_id AND p.booking_id = taken.booking_id
), confirmed AS (
    UPDATE bookings b SET state = 'confirmed', version = b.version + 1, ended_at = clock_timestamp()
      FROM taken
     WHERE b.event_id = taken.event_id AND b.id = taken.booking_id AND b.state = 'committed'
    RETURNING b.event_id, b.id, b.buyer_id
), written AS (
    INSERT INTO letters (event_id, booking_id, kind, address)
    SELECT confirmed.event_id, confirmed.id, 'tickets', buyers.email
      FROM confirmed JOIN buyers ON buyers.id = confirmed.buyer_id AND buyers.email IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM confirmed
