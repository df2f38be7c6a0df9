-- What the record says was taken for each payment of the event, and what became of the booking; `bookings` names those
-- asked for again, with or without a payment.
SELECT b.id::text AS booking_id, p.intent_id, b.state, b.amount_minor, b.currency,
       coalesce(c.amount_minor, 0) AS captured_minor,
       coalesce(r.given_back_minor, 0) AS given_back_minor, coalesce(r.owed_minor, 0) AS owed_minor,
       extract(epoch FROM clock_timestamp() - b.ended_at)::float8 AS ended_seconds
  FROM bookings b
  LEFT JOIN payments p ON p.event_id = b.event_id AND p.booking_id = b.id
  LEFT JOIN captures c ON c.event_id = b.event_id AND c.booking_id = b.id
  LEFT JOIN LATERAL (SELECT coalesce(sum(amount_minor) FILTER (WHERE state = 'succeeded'
                                       -- The rest never was in the provider's books.
                                       AND coalesce(paid_elsewhere, 'provider') = 'provider'), 0)::bigint AS given_back_minor,
                            coalesce(sum(amount_minor) FILTER (WHERE state <> 'succeeded'), 0)::bigint AS owed_minor
                       FROM refunds WHERE event_id = b.event_id AND booking_id = b.id) r ON true
 WHERE b.event_id = :event_id
   AND CASE WHEN CAST(:bookings AS uuid[]) IS NULL THEN p.intent_id IS NOT NULL
            ELSE b.id = ANY (CAST(:bookings AS uuid[])) END
