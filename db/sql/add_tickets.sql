-- Makes every ticket of new sections. Raw: the house is computed where it will live, 65,000 rows without sending one.
-- Rows are named A to Z, then AA to AZ, BA, ...; a place in general admission has neither row nor seat.
INSERT INTO tickets (event_id, id, section_id, row_number, row_name, seat_number, seat_name)
SELECT :event_id, (CAST(:event_id AS bigint) << 20) | (s.before + place), s.id, seat.row_number,
       CASE WHEN seat.row_number > 26 THEN chr(64 + (seat.row_number - 1) / 26) ELSE '' END
           || chr(65 + (seat.row_number - 1) % 26),
       seat.seat_number, CAST(seat.seat_number AS text)
  FROM jsonb_to_recordset(CAST(:sections AS jsonb)) AS s (
       id integer, kind text, capacity integer, seats_per_row integer, before integer)
 CROSS JOIN LATERAL generate_series(1, s.capacity) AS place
 CROSS JOIN LATERAL (SELECT CASE WHEN s.kind = 'seated' THEN (place - 1) / s.seats_per_row + 1 END AS row_number,
                            CASE WHEN s.kind = 'seated' THEN (place - 1) % s.seats_per_row + 1 END AS seat_number) AS seat
