-- The money is taken: the capture, the move and the intent's last word in one. Raw: guarded by the captures' primary key.
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
)
UPDATE bookings b SET state = 'confirmed', version = b.version + 1, ended_at = clock_timestamp()
  FROM taken
 WHERE b.event_id = taken.event_id AND b.id = taken.booking_id AND b.state = 'committed'
