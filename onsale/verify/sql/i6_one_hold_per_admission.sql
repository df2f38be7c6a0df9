-- An admission was spent by one hold, and the index that sees to it is there.
SELECT format('admission %s was spent by %s bookings: %s', admission_id, count(*), string_agg(id::text, ', ')) AS what
  FROM bookings WHERE event_id = :event_id AND admission_id IS NOT NULL AND hold_version IS NOT NULL
 GROUP BY admission_id HAVING count(*) > 1
UNION ALL
SELECT 'the index admission_index is missing or not valid: a replayed token could hold twice'
 WHERE NOT EXISTS (
       SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relname = 'admission_index' AND i.indrelid = 'bookings'::regclass
          AND i.indisunique AND i.indisvalid AND i.indisready)
