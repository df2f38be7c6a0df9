-- Each booking is its number's own buyer's. Joins are written down before whoever they let in, so that a number that a
-- run called has its line; but a restored queue (which leaves a gap in `seq`) has lost some, whose tokens still count.
WITH drawn AS (
    -- Numbers that were drawn are others than people joined with: drawn.py looks after them.
    SELECT coalesce(max(size), 0) AS size FROM draws WHERE event_id = :event_id AND key IS NOT NULL
), runs AS (
    SELECT seq, last, at, row_number() OVER (ORDER BY seq) AS nth FROM admission_log WHERE event_id = :event_id
), called AS (
    SELECT max(last) AS number FROM runs WHERE seq = nth AND at < now() - :journal_seconds * interval '1 second'
)
SELECT format('booking %s under number %s is buyer %s''s, and the number was given to %s', b.id, b.number, b.buyer_id,
              j.buyer_id) AS what
  FROM drawn, bookings b JOIN join_journal j ON j.event_id = b.event_id AND j.number = b.number
 WHERE b.event_id = :event_id AND j.buyer_id <> b.buyer_id AND b.number > drawn.size
   -- A guest who signed in: place and bookings are the account's.
   AND NOT EXISTS (SELECT FROM place_handovers h WHERE h.event_id = b.event_id
                      AND h.from_buyer = j.buyer_id AND h.to_buyer = b.buyer_id
                      AND j.number IN (h.number, h.given_up))
UNION ALL
SELECT format('booking %s was made under number %s, which was called, and nobody is on record as having joined under it',
              b.id, b.number)
  FROM drawn, bookings b JOIN called ON b.number <= called.number
  LEFT JOIN join_journal j ON j.event_id = b.event_id AND j.number = b.number
 WHERE b.event_id = :event_id AND j.number IS NULL AND b.number > drawn.size
   AND b.created_at < now() - :journal_seconds * interval '1 second'
