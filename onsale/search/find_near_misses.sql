-- The same for what was misspelt: events with words like those asked for (pg_trgm). Raw: as find_events.
WITH found AS (
    SELECT d.event_id, e.starts_at,
           CAST(CASE :sort WHEN 'date' THEN 0 WHEN 'distance' THEN -away.km
                       ELSE word_similarity(:artist, d.artist_words) + word_similarity(:place, d.place_words)
                            + word_similarity(:anything, d.all_words) END AS real) AS rank
      FROM search_documents d
      JOIN events e ON e.id = d.event_id
      JOIN venues v ON v.id = e.venue_id
     CROSS JOIN LATERAL (
         -- The haversine of two places on a sphere of the Earth's mean radius; opposite ends are rounded beyond 1.
         SELECT 12742.0176 * asin(least(1, sqrt(
                    sin(radians(v.latitude - CAST(:latitude AS float8)) / 2) ^ 2
                    + cos(radians(v.latitude)) * cos(radians(CAST(:latitude AS float8)))
                    * sin(radians(v.longitude - CAST(:longitude AS float8)) / 2) ^ 2))) AS km) AS away
     WHERE e.status = 'published'
       AND e.starts_at >= coalesce(CAST(:first AS timestamptz), now())
       AND (CAST(:latitude AS float8) IS NULL OR away.km <= CAST(:radius_km AS float8))
       AND e.starts_at < coalesce(CAST(:end AS timestamptz), 'infinity')
       AND (:artist = '' OR word_similarity(:artist, d.artist_words) >= :alike)
       AND (:place = '' OR word_similarity(:place, d.place_words) >= :alike)
       AND (:anything = '' OR word_similarity(:anything, d.all_words) >= :alike)
)
SELECT l.*, page.rank, (SELECT count(*) FROM found) AS total
  FROM (SELECT * FROM found
         WHERE CAST(:after_rank AS real) IS NULL OR rank < CAST(:after_rank AS real)
            OR (rank = CAST(:after_rank AS real)
                AND (extract(epoch FROM starts_at) * 1000000, event_id)
                    > (CAST(:after_starts_us AS bigint), CAST(:after_event_id AS bigint)))
         ORDER BY rank DESC, starts_at, event_id LIMIT :limit) AS page
  JOIN event_listings l ON l.id = page.event_id
 ORDER BY page.rank DESC, page.starts_at, page.event_id
