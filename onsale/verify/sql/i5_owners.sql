-- Who joined under these numbers.
SELECT number, buyer_id FROM join_journal
 WHERE event_id = :event_id AND number = ANY (CAST(:numbers AS bigint[]))
