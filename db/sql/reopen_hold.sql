-- The money of a card over its limit is let go: the hold goes on. Raw: only from its own mark, whatever a twin did meanwhile.
UPDATE bookings SET voiding = false, reason = NULL
 WHERE event_id = :event_id AND id = :id AND voiding AND reason = :reason AND state IN ('authorising', 'requires_action')
   AND EXISTS (SELECT FROM payments p WHERE p.event_id = :event_id AND p.booking_id = :id
                AND p.intent_id = :intent_id AND p.settled)
RETURNING id
