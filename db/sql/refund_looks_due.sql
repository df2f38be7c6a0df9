-- Refunds that succeeded and have come of age: their payments are marked as if the provider had told of them, and the next look is set.
-- Raw: a look that is counted is a mark that stays until the provider has answered. Who is late by several ages is looked at once.
-- The limits are plain numbers and `told` is ordered, so that a record without statistics goes by its indexes.
WITH told AS (
    SELECT FROM payments WHERE refunds_told_at IS NOT NULL ORDER BY refunds_told_at LIMIT :at_once
), due AS (
    SELECT r.id, (SELECT min(age) FROM unnest(CAST(:ages AS bigint[])) age
                   WHERE r.ended_at + age * interval '1 second' > now()) AS next_age
      FROM refunds r
     WHERE r.state = 'succeeded' AND r.provider_refund_id IS NOT NULL AND NOT r.believed
       -- Not clock_timestamp(), which an index cannot be asked for.
       AND r.due_at <= now()
       AND (SELECT count(*) FROM told) < :at_once
     ORDER BY r.due_at
     LIMIT :at_once
       FOR UPDATE SKIP LOCKED
), looked AS (
    UPDATE refunds r
       SET believed = due.next_age IS NULL, due_at = coalesce(r.ended_at + due.next_age * interval '1 second', r.due_at)
      FROM due WHERE r.id = due.id
    RETURNING r.event_id, r.booking_id
)
UPDATE payments p SET refunds_told_at = clock_timestamp()
 WHERE (p.event_id, p.booking_id) IN (SELECT event_id, booking_id FROM looked)
RETURNING p.booking_id
