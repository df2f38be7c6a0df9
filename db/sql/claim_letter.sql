-- Takes the letter of a kind that has been due longest. Raw: workers side by side must neither wait for each other nor take the same one.
WITH due AS (
    SELECT id FROM letters
     WHERE state = 'waiting' AND kind = :kind AND due_at <= clock_timestamp() AND tries < :tries_max
     ORDER BY due_at LIMIT 1
       FOR UPDATE SKIP LOCKED
)
UPDATE letters l
   SET version = l.version + 1, tries = l.tries + 1, updated_at = clock_timestamp(),
       -- Should this worker die before it has begun to send, the letter is due again by itself; each time later.
       due_at = clock_timestamp() + interval '1 second' *
                greatest(CAST(:lease AS float), least(:first * 2 ^ least(l.tries, 20), CAST(:most AS float)))
  FROM due
 WHERE l.id = due.id
RETURNING l.*
