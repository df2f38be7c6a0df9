-- Ends what was offered by what became of its booking. Raw: three tables in one statement, so that they never differ.
WITH over AS (
    SELECT w.buyer_id, w.offer_id,
           CASE WHEN b.state IN ('committed', 'confirmed', 'refunding', 'refunded') THEN 'taken'
                WHEN b.state IN ('expired', 'payment_failed') THEN 'lapsed'
                WHEN b.state = 'cancelled' THEN 'declined'
                ELSE 'missed' END AS outcome
      FROM waiting_list_entries w
      JOIN bookings b ON b.event_id = w.event_id AND b.id = w.offer_id
     WHERE w.event_id = :event_id AND w.ended_at IS NULL AND w.offer_id IS NOT NULL
       AND b.state NOT IN ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised')
), settled AS (
    UPDATE waiting_list_offers o SET outcome = over.outcome
      FROM over WHERE o.event_id = :event_id AND o.booking_id = over.offer_id
)
UPDATE waiting_list_entries w
   SET offer_id = CASE WHEN over.outcome <> 'missed' THEN w.offer_id END,
       missed_at = CASE WHEN over.outcome = 'missed' THEN clock_timestamp() ELSE w.missed_at END,
       ended_at = CASE WHEN over.outcome <> 'missed' THEN clock_timestamp() END,
       end_reason = CASE WHEN over.outcome <> 'missed' THEN over.outcome END
  FROM over
 WHERE w.event_id = :event_id AND w.buyer_id = over.buyer_id
