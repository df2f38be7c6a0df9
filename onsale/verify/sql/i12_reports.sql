-- Sale reports that closed with a batch which the chained log does not have: the chain was emptied and made anew since.
SELECT format('the sale report of %s ends with batch %s..., which the chained log does not have (any more)',
              to_char(r.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), left(r.head, 12)) AS what
  FROM sale_reports r
 WHERE r.event_id = :event_id AND r.head <> repeat('0', 64)
   AND NOT EXISTS (SELECT FROM sale_chain_batches b WHERE b.event_id = r.event_id AND encode(b.hash, 'hex') = r.head)
 ORDER BY r.ended_at
