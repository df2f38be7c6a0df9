-- The intent is cancelled, and not by us for its card's sake: nothing can be paid by it. Raw: one guarded statement over both rows.
UPDATE bookings b SET voiding = true, reason = CASE WHEN b.voiding THEN b.reason ELSE :reason END
 WHERE b.event_id = :event_id AND b.id = :id AND b.state IN ('held', 'authorising', 'requires_action', 'authorised')
   -- The money of a card over its limit is let go (db/card_limits.py): marked before the cancellation, ...
   AND NOT (b.voiding AND b.reason IS NOT DISTINCT FROM 'card_limit')
   -- ... and written down after it, before the mark comes off.
   AND NOT EXISTS (SELECT FROM payments p
                    WHERE p.event_id = b.event_id AND p.booking_id = b.id AND p.void_reason = 'card_limit')
