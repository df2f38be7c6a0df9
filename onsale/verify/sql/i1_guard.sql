-- The index that makes a double sale impossible is there: unique, valid, over every sale that lives.
SELECT 'the index sale_index is missing, not valid or another one: nothing but code stands between two buyers' AS what
 WHERE NOT EXISTS (
       SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relname = 'sale_index' AND i.indrelid = 'booking_tickets'::regclass
          AND i.indisunique AND i.indisvalid AND i.indisready
          AND pg_get_indexdef(i.indexrelid) LIKE '%(event_id, ticket_id) WHERE (released_at IS NULL)')
