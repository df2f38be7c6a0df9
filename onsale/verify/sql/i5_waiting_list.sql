-- What came back was offered in number order: whoever was in line before somebody who was offered tickets was offered some in that
-- round or had been before, or was passed over in it or an earlier one, because they were away or wanted what there was not.
WITH rounds AS (
    SELECT r.round, r.at, r.absent || r.unfit AS passed, max(o.number) AS last
      FROM waiting_list_rounds r
      JOIN waiting_list_offers o ON o.event_id = r.event_id AND o.round = r.round
     WHERE r.event_id = :event_id
     GROUP BY r.round, r.at, r.absent, r.unfit
), overtaken AS (
    SELECT w.number, r.round, r.last
      FROM rounds r
      JOIN waiting_list_entries w ON w.event_id = :event_id AND w.number < r.last
     WHERE w.joined_at < r.at AND coalesce(w.ended_at, 'infinity') > r.at AND w.number <> ALL (r.passed)
       AND NOT EXISTS (SELECT FROM waiting_list_offers o
                        WHERE o.event_id = :event_id AND o.buyer_id = w.buyer_id AND o.round <= r.round)
       AND NOT EXISTS (SELECT FROM waiting_list_rounds e
                        WHERE e.event_id = :event_id AND e.round < r.round AND w.number = ANY (e.absent))
)
SELECT format('number %s of the waiting list was overtaken by %s in round %s', number, last, round) AS what
  FROM overtaken
UNION ALL
SELECT format('booking %s was offered, ended as %s, and the list knows nothing of it', b.id, b.state)
  FROM waiting_list_offers o JOIN bookings b ON b.event_id = o.event_id AND b.id = o.booking_id
 WHERE o.event_id = :event_id AND o.outcome IS NULL AND b.ended_at < now() - :settle_seconds * interval '1 second'
   AND EXISTS (SELECT FROM waiting_list_entries w
                WHERE w.event_id = o.event_id AND w.offer_id = o.booking_id AND w.ended_at IS NULL)
