-- Bookings under drawn numbers, and whether their buyers must be on record as having joined (as in i5_numbers_as_joined).
WITH runs AS (
    SELECT seq, last, at, row_number() OVER (ORDER BY seq) AS nth FROM admission_log WHERE event_id = :event_id
), called AS (
    SELECT coalesce(max(last), 0) AS number FROM runs
     WHERE seq = nth AND at < now() - :journal_seconds * interval '1 second'
)
SELECT b.id, b.number, b.buyer_id,
       b.number <= called.number AND b.created_at < now() - :journal_seconds * interval '1 second' AS must_be_known
  FROM bookings b, called
 WHERE b.event_id = :event_id AND b.number <= :size
 ORDER BY b.number, b.id
