-- Coming shows with words that what is typed may be a slip of, soonest first. Raw: pg_trgm's operator, which finds by index.
SELECT l.id, l.name, l.artists, l.venue_name, l.city
  FROM search_documents d JOIN search_listings l ON l.id = d.event_id
 WHERE :words <% d.all_words AND l.status = 'published' AND l.starts_at >= now()
 ORDER BY l.starts_at, l.id LIMIT :limit
