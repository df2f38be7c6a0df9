-- The codes of a batch, and how often each is used. Raw: one statement, under the lane's lock, which nobody uses a code without.
-- Only what has a limit is counted.
SELECT c.id, c.kind, c.amount_minor, c.percent_bp, c.section_ids, c.stackable, c.uses_max, c.uses_per_buyer, c.off,
       (SELECT count(*) FROM live_code_uses u
         WHERE u.event_id = c.event_id AND u.code_id = c.id AND c.uses_max IS NOT NULL) AS used,
       (SELECT json_object_agg(buyer_id, uses)
          FROM (SELECT u.buyer_id, count(*) AS uses FROM live_code_uses u
                 WHERE u.event_id = c.event_id AND u.code_id = c.id AND c.uses_per_buyer IS NOT NULL
                   AND u.buyer_id = ANY (CAST(:buyers AS uuid[]))
                 GROUP BY u.buyer_id) AS of_buyer) AS used_by
  FROM codes c
 WHERE c.event_id = :event_id AND c.id = ANY (CAST(:ids AS bigint[]))
