-- Writes which codes a batch's holds use, each only where it is on and there is room, and what was taken off their tickets.
-- Raw: whoever compares what comes back with what was asked knows that no code is used too often, whatever a lane believed.
WITH asked AS (
    SELECT a.booking_id, a.code_id, a.discount_minor, b.buyer_id,
           row_number() OVER (PARTITION BY a.code_id ORDER BY a.nth) AS nth,
           row_number() OVER (PARTITION BY a.code_id, b.buyer_id ORDER BY a.nth) AS nth_of_buyer
      FROM unnest(CAST(:bookings AS uuid[]), CAST(:codes AS bigint[]), CAST(:taken_off AS bigint[]))
               WITH ORDINALITY AS a (booking_id, code_id, discount_minor, nth)
      JOIN bookings b ON b.event_id = :event_id AND b.id = a.booking_id
), room AS (
    SELECT c.id, c.uses_per_buyer,
           c.uses_max - (SELECT count(*) FROM live_code_uses u
                          WHERE u.event_id = c.event_id AND u.code_id = c.id AND c.uses_max IS NOT NULL) AS uses_left
      FROM codes c
     WHERE c.event_id = :event_id AND c.id IN (SELECT code_id FROM asked) AND NOT c.off
), used AS (
    INSERT INTO code_uses (event_id, booking_id, code_id, buyer_id, discount_minor)
    SELECT :event_id, asked.booking_id, asked.code_id, asked.buyer_id, asked.discount_minor
      FROM asked JOIN room ON room.id = asked.code_id
     WHERE (room.uses_left IS NULL OR asked.nth <= room.uses_left)
       AND (room.uses_per_buyer IS NULL
            OR asked.nth_of_buyer + (SELECT count(*) FROM live_code_uses u
                                      WHERE u.event_id = :event_id AND u.code_id = room.id
                                        AND u.buyer_id = asked.buyer_id) <= room.uses_per_buyer)
    RETURNING booking_id, code_id
), cheaper AS (
    INSERT INTO ticket_discounts (event_id, booking_id, ticket_id, discount_minor)
    SELECT :event_id, t.booking_id, t.ticket_id, t.discount_minor
      FROM unnest(CAST(:ticket_bookings AS uuid[]), CAST(:tickets AS bigint[]), CAST(:discounts AS bigint[]))
               AS t (booking_id, ticket_id, discount_minor)
)
SELECT CAST(asked.booking_id AS text) FROM asked
 WHERE (asked.booking_id, asked.code_id) NOT IN (SELECT booking_id, code_id FROM used)
