-- No card paid for more tickets than one may, over all bookings: by the tickets themselves, and by the card that reserved the money.
SELECT format('a card paid for %s tickets, of at most %s', count(*), e.tickets_per_card) AS what
  FROM bookings b
  JOIN events e ON e.id = b.event_id AND e.tickets_per_card IS NOT NULL
  JOIN LATERAL (SELECT card_fingerprint FROM payment_attempts a
                 WHERE a.event_id = b.event_id AND a.booking_id = b.id AND a.outcome = 'authorised'
                 ORDER BY attempt DESC LIMIT 1) AS card ON true
  JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id AND bt.released_at IS NULL
 WHERE b.event_id = :event_id AND card.card_fingerprint IS NOT NULL
   AND b.state IN ('authorised', 'committed', 'confirmed', 'refunding')
 GROUP BY card.card_fingerprint, e.tickets_per_card HAVING count(*) > e.tickets_per_card
