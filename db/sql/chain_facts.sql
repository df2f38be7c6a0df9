-- What a line of the chained log says of each of these rows. Raw: five kinds of rows by their keys in one round trip.
-- Only what no later act changes: the same row gives the same line for ever (verify's I12 asks again). But for the buyer: a
-- guest who signs in hands bookings over, and what was chained before names the guest (onsale/verify/chain.py).
WITH asked AS (
    SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:events AS bigint[]), CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]))
        AS a (source, event_id, id, number)
), told (source, event_id, id, number, at, facts) AS (
    SELECT a.source, a.event_id, a.id, a.number, h.at, jsonb_strip_nulls(jsonb_build_object(
               'booking', h.booking_id, 'version', h.version, 'from', h.from_state, 'to', h.to_state, 'reason', h.reason)
           || CASE WHEN h.from_state = 'new' THEN jsonb_build_object(
               'buyer', b.buyer_id, 'number', b.number, 'wanted', b.tickets_wanted) ELSE '{}' END
           || CASE WHEN h.to_state = 'queued' THEN jsonb_build_object(
               'return_number', b.return_number, 'queued_in', b.queued_xid::text::bigint,
               'created_at', to_char(b.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ELSE '{}' END
           || CASE WHEN h.from_state = 'queued' THEN jsonb_build_object(
               'batch', b.batch_snapshot::text,
               'decided_at', to_char(b.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ELSE '{}' END
           || CASE WHEN h.from_state = 'queued' AND h.to_state = 'held' THEN jsonb_build_object(
               'amount_minor', b.amount_minor, 'fees_minor', b.fees_minor, 'taxes_minor', b.taxes_minor,
               'currency', b.currency, 'tickets', (
                   SELECT jsonb_agg(jsonb_build_array(t.ticket_id, t.price_minor) ORDER BY t.ticket_id)
                     FROM booking_tickets t WHERE t.event_id = h.event_id AND t.booking_id = h.booking_id)) ELSE '{}' END)
      FROM asked a
      JOIN booking_history h ON h.event_id = a.event_id AND h.booking_id = a.id AND h.version = a.number
      JOIN bookings b ON b.event_id = h.event_id AND b.id = h.booking_id
     WHERE a.source = 'move'
     UNION ALL
    SELECT a.source, a.event_id, a.id, a.number, c.at, jsonb_build_object(
               'booking', c.booking_id, 'amount_minor', c.amount_minor, 'currency', b.currency)
      FROM asked a
      JOIN captures c ON c.event_id = a.event_id AND c.booking_id = a.id
      JOIN bookings b ON b.event_id = c.event_id AND b.id = c.booking_id
     WHERE a.source = 'capture'
     UNION ALL
    SELECT a.source, a.event_id, a.id, a.number, r.at, jsonb_build_object(
               'run', r.seq, 'first', r.first, 'last', r.last, 'return_first', r.return_first,
               'return_last', r.return_last, 'admitted', r.admitted, 'passed', r.passed)
      FROM asked a JOIN admission_log r ON r.event_id = a.event_id AND r.seq = a.number
     WHERE a.source = 'run'
     UNION ALL
    SELECT a.source, a.event_id, a.id, a.number, l.at, jsonb_build_object(
               'line', l.seq, 'actor', l.actor, 'kind', l.kind, 'body', l.body)
      FROM asked a JOIN sale_log l ON l.event_id = a.event_id AND l.seq = a.number
     WHERE a.source = 'log'
     UNION ALL
    SELECT a.source, a.event_id, a.id, a.number, h.at, jsonb_strip_nulls(jsonb_build_object(
               'refund', r.id, 'booking', r.booking_id, 'state', h.state, 'amount_minor', r.amount_minor,
               'kept_minor', r.kept_minor, 'currency', r.currency, 'reason', r.reason,
               'tickets', (SELECT jsonb_agg(t.ticket_id ORDER BY t.ticket_id) FROM booking_tickets t
                            WHERE t.event_id = r.event_id AND t.booking_id = r.booking_id AND t.refund_id = r.id)))
      FROM asked a
      JOIN refund_history h ON h.event_id = a.event_id AND h.refund_id = a.id AND h.seq = a.number
      JOIN refunds r ON r.id = h.refund_id
     WHERE a.source = 'refund'
)
SELECT source, event_id, id, number, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, facts FROM told
