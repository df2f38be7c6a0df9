-- What search looks through says of the event what the catalogue says, word for word.
SELECT format('event %s is searched for as "%s", and is "%s"', e.id, coalesce(d.all_words, ''), w.all_words) AS what
  FROM events e
  JOIN venues v ON v.id = e.venue_id
 CROSS JOIN LATERAL (
       SELECT plain_words(e.name) AS name_words, plain_words(e.genre) AS genre_words,
              plain_words(concat_ws(' ', v.name, v.city, v.country, v.region)) AS place_words,
              plain_words(coalesce((SELECT string_agg(a.name, ' ' ORDER BY ea.position)
                                      FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
                                     WHERE ea.event_id = e.id), '')) AS artist_words) AS p
 CROSS JOIN LATERAL (SELECT concat_ws(' ', p.name_words, p.artist_words, p.place_words, nullif(p.genre_words, '')) AS all_words) AS w
  LEFT JOIN search_documents d ON d.event_id = e.id
 WHERE e.id = :event_id
   AND (d.event_id IS NULL OR d.artist_words <> p.artist_words OR d.place_words <> p.place_words
        OR d.all_words <> w.all_words OR d.artist_terms <> to_tsvector('simple', p.artist_words)
        OR d.place_terms <> to_tsvector('simple', p.place_words)
        OR d.all_terms <> setweight(to_tsvector('simple', p.name_words || ' ' || p.artist_words), 'A')
                          || setweight(to_tsvector('simple', p.place_words || ' ' || p.genre_words), 'B'))
