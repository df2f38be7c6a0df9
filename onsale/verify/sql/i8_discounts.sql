-- Bookings that codes made cheaper: the tickets as their sections had them, the codes, and what was taken off. The rules are Python's.
SELECT CAST(b.id AS text), b.currency,
       (SELECT json_agg(json_build_array(t.section_id, bt.price_minor + coalesce(d.discount_minor, 0),
                                         coalesce(d.discount_minor, 0)) ORDER BY bt.ticket_id)
          FROM booking_tickets bt
          JOIN tickets t ON t.event_id = bt.event_id AND t.id = bt.ticket_id
          LEFT JOIN ticket_discounts d
               ON d.event_id = bt.event_id AND d.booking_id = bt.booking_id AND d.ticket_id = bt.ticket_id
         WHERE bt.event_id = b.event_id AND bt.booking_id = b.id) AS tickets,
       coalesce((SELECT json_agg(json_build_array(c.id, c.kind, c.amount_minor, c.percent_bp, c.section_ids, c.stackable,
                                                  u.discount_minor) ORDER BY c.id)
                   FROM code_uses u JOIN codes c ON c.event_id = u.event_id AND c.id = u.code_id
                  WHERE u.event_id = b.event_id AND u.booking_id = b.id), '[]') AS codes
  FROM bookings b
 WHERE b.event_id = :event_id
   AND b.id IN (SELECT booking_id FROM ticket_discounts WHERE event_id = :event_id
                UNION SELECT booking_id FROM code_uses WHERE event_id = :event_id)
