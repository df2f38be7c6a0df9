-- A published event can be found.
SELECT format('event %s is published and cannot be searched for', e.id) AS what
  FROM events e LEFT JOIN search_documents d ON d.event_id = e.id
 WHERE e.id = :event_id AND e.status = 'published' AND d.event_id IS NULL
