-- No two tickets of a section are the same seat, by number or by the name that stands on the ticket: each is sold once.
SELECT format('section %s has %s tickets of seat %s, row %s: %s', section_id, count(*), seat_name, row_name,
              string_agg(id::text, ', ' ORDER BY id)) AS what
  FROM tickets
 WHERE event_id = :event_id AND seat_name IS NOT NULL
 GROUP BY section_id, row_name, seat_name HAVING count(*) > 1
UNION ALL
SELECT format('section %s has %s tickets of seat number %s, row number %s: %s', section_id, count(*), seat_number,
              row_number, string_agg(id::text, ', ' ORDER BY id))
  FROM tickets
 WHERE event_id = :event_id AND seat_number IS NOT NULL
 GROUP BY section_id, row_number, seat_number HAVING count(*) > 1
