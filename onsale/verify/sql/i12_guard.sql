-- The triggers that write the history and refuse illegal moves, and that keep every log append-only, are there, are
-- switched on, fire as they were made to, and their functions are the migrations' (`functions`: a hash of each source).
WITH wanted (name, place, function, fires, only_when) AS (
    -- `fires`: pg_trigger's bits (row 1, before 2, insert 4, delete 8, update 16, truncate 32).
    VALUES ('booking_is_new', 'bookings', 'booking_history_is_kept', 4, NULL),
           ('booking_moved', 'bookings', 'booking_history_is_kept', 16, NULL),
           ('append_only', 'booking_history', 'is_append_only', 58, NULL),
           ('written_by_moves', 'booking_history', 'is_append_only', 6, '(pg_trigger_depth() < 1)'),
           ('append_only', 'captures', 'is_append_only', 58, NULL),
           ('append_only', 'join_journal', 'is_append_only', 58, NULL),
           ('append_only', 'admission_log', 'is_append_only', 58, NULL),
           ('append_only', 'sale_log', 'is_append_only', 58, NULL),
           ('append_only', 'refund_history', 'is_append_only', 58, NULL),
           ('append_only', 'sale_chain_lines', 'is_append_only', 58, NULL),
           ('append_only', 'sale_chain_batches', 'is_append_only', 58, NULL),
           ('refund_moved', 'refunds', 'refund_history_is_kept', 21, NULL)
), functions (name, source_hash) AS (
    VALUES ('booking_history_is_kept', 'affff34af3537bfd740e12f604088ed71cfdfddb3deb27189370dce173421028'),
           ('refund_history_is_kept', 'edebe9314e92fc1b16b87b33209033e48da80563bf17788bc6ef4960a08f48ae'),
           ('is_append_only', 'cd0a68eb0da7c28168513a0abe0535c37a058390bce3b44a95988146c2085aa6')
)
SELECT format('the trigger %s on %s is missing, switched off or another one', wanted.name, wanted.place) AS what
  FROM wanted
 WHERE NOT EXISTS (
       SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgname = wanted.name AND t.tgrelid = wanted.place::regclass AND t.tgenabled IN ('O', 'A')
          AND p.proname = wanted.function AND t.tgtype = wanted.fires AND t.tgattr = ''
          AND (CASE WHEN wanted.only_when IS NULL THEN t.tgqual IS NULL
                    ELSE strpos(pg_get_triggerdef(t.oid), wanted.only_when) > 0 END))
UNION ALL
SELECT format('the function %s is not the one that the migrations made', p.proname)
  FROM pg_proc p JOIN functions f ON f.name = p.proname
 WHERE p.oid IN (SELECT tgfoid FROM pg_trigger)
   AND encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') <> f.source_hash
