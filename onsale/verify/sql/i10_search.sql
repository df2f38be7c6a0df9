-- What search looks through says of the event what the catalogue says, word for word.
SELECT format('event %s is searched for as "%s", and is "%s"', e.id, coalesce(d.all_words, ''), w.all_words) AS what
  FROM events e
 CROSS JOIN LATERAL search_document(e.id) AS w
  LEFT JOIN search_documents d ON d.event_id = e.id
 WHERE e.id = :event_id AND (d.event_id IS NULL OR d.* <> w.*)
