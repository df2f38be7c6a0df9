-- Writes a lane's decisions. Raw: arrays cost a tenth of a compiled VALUES list, and one round trip is one lock held shorter.
WITH clock AS (
    SELECT clock_timestamp() AS now, clock_timestamp() + pay_seconds * interval '1 second' AS until
      FROM queue_settings WHERE event_id = :event_id
), decided AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:states AS text[]),
                         CAST(:counts AS integer[]), CAST(:amounts AS bigint[]), CAST(:fees AS bigint[]),
                         CAST(:taxes AS bigint[]), CAST(:reasons AS text[]))
             AS d (id, version, state, tickets, amount_minor, fees_minor, taxes_minor, reason)
), wanted AS (
    SELECT * FROM unnest(CAST(:ticket_ids AS bigint[]), CAST(:ticket_bookings AS uuid[]), CAST(:prices AS bigint[]),
                         CAST(:tiers AS text[]))
             AS w (id, booking_id, price_minor, tier)
), taken AS (
    UPDATE tickets t
       SET state = 'held', booking_id = w.booking_id, held_until = clock.until, version = t.version + 1
      FROM wanted w, clock
     WHERE t.event_id = :event_id AND t.id = w.id AND t.state = 'free'
    RETURNING t.id, t.section_id, t.version, w.booking_id, w.price_minor, w.tier
), listed AS (
    INSERT INTO booking_tickets (event_id, booking_id, ticket_id, price_minor, hold_version, taken_at, tier)
    SELECT :event_id, booking_id, taken.id, price_minor, version, clock.now, tier FROM taken, clock
), counters AS (
    -- In order, or two who change the same sections could wait for each other for ever.
    SELECT section_id FROM section_changes
     WHERE event_id = :event_id AND section_id IN (SELECT section_id FROM taken)
     ORDER BY section_id FOR UPDATE
), changed AS (
    UPDATE section_changes c SET changes = c.changes + 1 FROM counters
     WHERE c.event_id = :event_id AND c.section_id = counters.section_id
    RETURNING c.section_id, c.changes
), moved AS (
    UPDATE bookings b
       SET state = CASE WHEN d.state = 'unavailable' AND d.reason IN ('taken', 'none_free') AND NOT EXISTS
                             (SELECT FROM tickets WHERE event_id = :event_id AND state <> 'sold')
                        THEN 'sold_out' ELSE d.state END,
           version = b.version + 1,
           tickets_taken = d.tickets,
           amount_minor = d.amount_minor,
           fees_minor = d.fees_minor,
           taxes_minor = d.taxes_minor,
           price_terms = CASE WHEN d.state = 'held' THEN CAST(:terms AS jsonb) END,
           reason = d.reason,
           hold_version = CASE WHEN d.state = 'held' THEN b.version + 1 END,
           hold_until = CASE WHEN d.state = 'held' THEN clock.until END,
           decided_at = clock.now,
           ended_at = CASE WHEN d.state <> 'held' THEN clock.now END,
           batch_snapshot = CAST(:snapshot AS pg_snapshot)
      FROM decided d, clock
     WHERE b.event_id = :event_id AND b.id = d.id AND b.version = d.version AND b.state = 'queued'
    RETURNING b.id, b.state
)
SELECT clock.until, clock.now,
       (SELECT jsonb_object_agg(id, version) FROM taken) AS versions,
       (SELECT jsonb_object_agg(section_id, changes) FROM changed) AS changes,
       -- Which ones only when some are missing: a hundred ids are a tenth of the batch's time to read.
       (SELECT array_agg(CAST(id AS text)) FROM decided
         WHERE (SELECT count(*) FROM moved) < (SELECT count(*) FROM decided) AND id NOT IN (SELECT id FROM moved)) AS left_out,
       (SELECT array_agg(CAST(id AS text)) FROM moved WHERE state = 'sold_out') AS sold_out
  FROM clock
