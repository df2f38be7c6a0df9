-- Coming shows whose artists, titles or places have words that begin so, soonest first of each. Raw: full-text prefixes.
(SELECT l.id, l.name, l.artists, l.venue_name, l.city
   FROM search_documents d JOIN search_listings l ON l.id = d.event_id
  WHERE d.artist_terms @@ CAST(:terms AS tsquery) AND l.status = 'published' AND l.starts_at >= now()
  ORDER BY l.starts_at, l.id LIMIT :limit)
UNION ALL
(SELECT l.id, l.name, l.artists, l.venue_name, l.city
   FROM search_documents d JOIN search_listings l ON l.id = d.event_id
  WHERE d.all_terms @@ CAST(:title_terms AS tsquery) AND l.status = 'published' AND l.starts_at >= now()
  ORDER BY l.starts_at, l.id LIMIT :limit)
UNION ALL
(SELECT l.id, l.name, l.artists, l.venue_name, l.city
   FROM search_documents d JOIN search_listings l ON l.id = d.event_id
  WHERE d.place_terms @@ CAST(:terms AS tsquery) AND l.status = 'published' AND l.starts_at >= now()
  ORDER BY l.starts_at, l.id LIMIT :limit)
