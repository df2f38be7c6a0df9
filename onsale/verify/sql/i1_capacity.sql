-- A section has as many tickets as it holds, so that held and sold can never be more.
SELECT format('section %s holds %s and has %s tickets', s.id, s.capacity, count(t.id)) AS what
  FROM sections s LEFT JOIN tickets t ON t.event_id = s.event_id AND t.section_id = s.id
 WHERE s.event_id = :event_id
 GROUP BY s.id, s.capacity HAVING count(t.id) <> s.capacity
