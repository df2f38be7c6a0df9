-- Ends bookings and frees what they hold, by the hold's own version. Raw: set-based, all or nothing in one statement.
WITH ended AS (
    UPDATE bookings b
       SET state = :state, version = b.version + 1, reason = coalesce(:reason, b.reason), ended_at = clock_timestamp()
      FROM unnest(CAST(:event_ids AS bigint[]), CAST(:ids AS uuid[])) AS due (event_id, id)
     WHERE b.event_id = due.event_id AND b.id = due.id
       AND b.state = ANY (CAST(:before AS text[])) AND b.voiding = :voiding
    RETURNING b.event_id, b.id, b.buyer_id, b.number, b.return_number
), released AS (
    UPDATE booking_tickets bt SET released_at = clock_timestamp()
      FROM ended
     -- Not "IS NULL", as in commit_booking.sql.
     WHERE bt.event_id = ended.event_id AND bt.booking_id = ended.id AND coalesce(bt.released_at, 'infinity') = 'infinity'
    RETURNING bt.event_id, bt.booking_id, bt.ticket_id, bt.hold_version
), freed AS (
    UPDATE tickets t
       SET state = 'free', booking_id = NULL, held_until = NULL, version = t.version + 1
      FROM released r
     WHERE t.event_id = r.event_id AND t.id = r.ticket_id
       -- A ticket that is another booking's by now stays theirs.
       AND t.state = 'held' AND t.booking_id = r.booking_id AND t.version = r.hold_version
    RETURNING t.event_id, t.id, t.section_id, t.version, r.booking_id
), counters AS (
    SELECT event_id, section_id FROM section_changes
     WHERE (event_id, section_id) IN (SELECT event_id, section_id FROM freed)
     ORDER BY event_id, section_id FOR UPDATE
), changed AS (
    UPDATE section_changes c SET changes = c.changes + 1 FROM counters
     WHERE c.event_id = counters.event_id AND c.section_id = counters.section_id
    RETURNING 1
)
SELECT ended.*, (SELECT jsonb_object_agg(freed.id, freed.version) FROM freed
                  WHERE freed.event_id = ended.event_id AND freed.booking_id = ended.id) AS tickets
  FROM ended
