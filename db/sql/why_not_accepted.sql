-- Says why a request was not stored. Raw: three questions in one snapshot, so that they cannot contradict each other.
SELECT EXISTS (SELECT FROM events WHERE id = :event_id AND status = 'published') AS on_sale,
       EXISTS (SELECT FROM bookings
                WHERE event_id = :event_id AND admission_id = :admission_id
                  AND (hold_version IS NOT NULL OR state IN ('waiting', 'queued'))) AS admission_spent,
       EXISTS (SELECT FROM bookings WHERE event_id = :event_id AND id = :id) AS id_taken
