-- All that a payment's next step depends on. Raw: asked before and after every step, so in one round trip and one snapshot.
SELECT b.*, e.name AS event_name, e.tickets_per_card, y.email AS buyer_email, y.provider_customer_id, clock_timestamp() AS read_at,
       p.intent_id, p.client_secret, p.status AS intent_status, p.amount_minor AS intent_amount_minor,
       p.currency AS intent_currency, p.captured_minor, p.void_reason, p.created_at AS intent_created_at,
       p.updated_at AS intent_updated_at,
       a.attempt, a.payment_method AS card, a.return_url, a.outcome, a.decline_code, a.message, a.next_action_url,
       a.processing_until,
       a.created_at AS attempted_at
  FROM bookings b
  JOIN events e ON e.id = b.event_id
  LEFT JOIN buyers y ON y.id = b.buyer_id
  LEFT JOIN payments p ON p.event_id = b.event_id AND p.booking_id = b.id
  LEFT JOIN LATERAL (
       SELECT * FROM payment_attempts one WHERE one.event_id = b.event_id AND one.booking_id = b.id
        -- As db/payments.py:standing.
        ORDER BY CASE WHEN one.outcome IN ('pending', 'requires_action', 'authorised') THEN 0
                      WHEN one.outcome = 'declined' THEN 1 ELSE 2 END, one.attempt DESC LIMIT 1) AS a ON true
 WHERE b.event_id = :event_id AND b.id = :id
