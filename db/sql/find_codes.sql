-- What a buyer's codes are worth now, by the record's clock. Raw: the rules, their uses and the opening in one snapshot.
-- By the event's own index alone: a code of another event costs the same look, and is answered the same, as none at all.
SELECT c.*, s.opens_at,
       s.phase IN ('scheduled', 'pre_queue') AND s.opens_at > clock.now AS before_opening,
       coalesce(clock.now < greatest(c.valid_from, c.presale_from), false) AS not_yet,
       coalesce(clock.now >= c.valid_until, false) AS over,
       (SELECT count(*) FROM live_code_uses u
         WHERE u.event_id = c.event_id AND u.code_id = c.id AND c.uses_max IS NOT NULL)
       + (SELECT count(*) FROM draw_lots l
           WHERE l.event_id = c.event_id AND l.code_id = c.id AND l.buyer_id <> :buyer_id) AS used,
       (SELECT count(*) FROM live_code_uses u
         WHERE u.event_id = c.event_id AND u.code_id = c.id AND c.uses_per_buyer IS NOT NULL
           AND u.buyer_id = :buyer_id) AS used_by_buyer
  FROM codes c
  JOIN queue_settings s ON s.event_id = c.event_id
 CROSS JOIN (SELECT clock_timestamp() AS now) AS clock
 WHERE c.event_id = :event_id AND c.code = ANY (CAST(:codes AS text[]))
