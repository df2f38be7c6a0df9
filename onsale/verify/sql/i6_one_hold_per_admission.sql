-- An admission was spent by one hold, whoever holds or held tickets spent one, and the index that sees to it is there.
SELECT format('admission %s was spent by %s bookings: %s', admission_id, count(*), string_agg(id::text, ', ')) AS what
  FROM bookings WHERE event_id = :event_id AND admission_id IS NOT NULL AND hold_version IS NOT NULL
 GROUP BY admission_id HAVING count(*) > 1
UNION ALL
SELECT format('booking %s was given tickets without an admission or an offer, and the queue was never switched off', b.id)
  FROM bookings b JOIN queue_settings s ON s.event_id = b.event_id
 WHERE b.event_id = :event_id AND b.hold_version IS NOT NULL AND b.admission_id IS NULL AND s.enabled
   AND NOT EXISTS (SELECT FROM waiting_list_offers o WHERE o.event_id = b.event_id AND o.booking_id = b.id)
   -- Whom a code lets book before the opening is in no queue.
   AND NOT EXISTS (SELECT FROM code_uses u JOIN codes c ON c.event_id = u.event_id AND c.id = u.code_id
                    WHERE u.event_id = b.event_id AND u.booking_id = b.id AND c.kind = 'early'
                      AND b.created_at >= c.presale_from)
   AND NOT EXISTS (SELECT FROM sale_log
                    WHERE event_id = :event_id AND kind = 'queue_changed' AND body ? 'enabled')
UNION ALL
-- An admission's id is its number's, written down with it: under another one a second hold would look like another admission's.
SELECT format('booking %s under %s has the admission %s', id,
              coalesce('return number ' || return_number, 'number ' || number), admission_id)
  FROM bookings
 WHERE event_id = :event_id AND admission_id <> coalesce('r' || return_number, number::text)
UNION ALL
SELECT 'the index admission_index is missing, not valid or another one: a replayed token could hold twice'
 WHERE NOT EXISTS (
       SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relname = 'admission_index' AND i.indrelid = 'bookings'::regclass
          AND i.indisunique AND i.indisvalid AND i.indisready
          AND pg_get_indexdef(i.indexrelid) LIKE '%(event_id, admission_id) WHERE ((admission_id IS NOT NULL) AND '
              '((hold_version IS NOT NULL) OR (state = ANY (ARRAY[''waiting''::text, ''queued''::text]))))')
