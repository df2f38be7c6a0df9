-- Who joined under these numbers, and whose they became when a guest signed in.
WITH joined AS (
    SELECT number, buyer_id FROM join_journal
     WHERE event_id = :event_id AND number = ANY (CAST(:numbers AS bigint[]))
)
SELECT number, buyer_id FROM joined
UNION ALL
SELECT j.number, h.to_buyer FROM joined j
  JOIN place_handovers h ON h.event_id = :event_id AND h.from_buyer = j.buyer_id AND j.number IN (h.number, h.given_up)
