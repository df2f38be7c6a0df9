-- A card over its limit has reserved money: nothing is sold for it, and it is let go. Raw: what a twin authorised first stays.
UPDATE bookings SET voiding = true, reason = :reason
 WHERE event_id = :event_id AND id = :id AND state IN ('authorising', 'requires_action') AND NOT voiding
