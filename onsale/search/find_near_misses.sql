-- The same for what was misspelt: events with words like those asked for (pg_trgm). Raw: as find_events.
WITH found AS (
    SELECT d.event_id, e.starts_at,
           word_similarity(:artist, d.artist_words) + word_similarity(:place, d.place_words)
               + word_similarity(:anything, d.all_words) AS rank
      FROM search_documents d
      JOIN events e ON e.id = d.event_id
     WHERE e.status = 'published'
       AND e.starts_at >= coalesce(CAST(:first AS timestamptz), now())
       AND e.starts_at < coalesce(CAST(:end AS timestamptz), 'infinity')
       AND (:artist = '' OR word_similarity(:artist, d.artist_words) >= :alike)
       AND (:place = '' OR word_similarity(:place, d.place_words) >= :alike)
       AND (:anything = '' OR word_similarity(:anything, d.all_words) >= :alike)
)
SELECT l.*, page.rank, (SELECT count(*) FROM found) AS total
  FROM (SELECT * FROM found
         WHERE CAST(:after_rank AS real) IS NULL OR rank < CAST(:after_rank AS real)
            OR (rank = CAST(:after_rank AS real)
                AND (starts_at, event_id) > (CAST(:after_starts_at AS timestamptz), CAST(:after_event_id AS bigint)))
         ORDER BY rank DESC, starts_at, event_id LIMIT :limit) AS page
  JOIN event_listings l ON l.id = page.event_id
 ORDER BY page.rank DESC, page.starts_at, page.event_id
