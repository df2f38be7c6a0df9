-- One page of events that fit all that is asked for, best first, the count of all, and what each further filter would leave.
-- Raw: full text or near misses, filters, facets and the count in one round trip. `near` is a literal: one branch is planned.
WITH asked AS (
    SELECT CAST(:artist_terms AS tsquery) AS artist,
           CAST(:place_terms AS tsquery) AS place,
           CAST(:all_terms AS tsquery) AS anything
), fitting AS (
    SELECT l.id, l.starts_at, l.city, l.genre, l.month,
           CASE WHEN :facets THEN l.price_min_minor END AS price_min_minor,
           CASE WHEN :facets THEN l.price_max_minor END AS price_max_minor,
           (:cities = '{}' OR l.city = ANY (CAST(:cities AS text[]))) AS of_city,
           (:genres = '{}' OR l.genre = ANY (CAST(:genres AS text[]))) AS of_genre,
           (:months = '{}' OR l.month = ANY (CAST(:months AS text[]))) AS of_month,
           ((CAST(:price_max AS bigint) IS NULL OR coalesce(l.price_min_minor <= CAST(:price_max AS bigint), false))
            AND (CAST(:price_min AS bigint) IS NULL OR coalesce(l.price_max_minor >= CAST(:price_min AS bigint), false)))
               AS of_price,
           CAST(CASE WHEN :sort = 'date' THEN 0
                     WHEN :sort = 'distance'
                         THEN -distance_km(l.latitude, l.longitude, CAST(:latitude AS float8), CAST(:longitude AS float8))
                     WHEN :near
                         THEN word_likeness(:artist, d.artist_words) + word_likeness(:place, d.place_words)
                              + word_likeness(:anything, d.all_words)
                     WHEN :all_terms = '' THEN 0
                     ELSE ts_rank(d.all_terms, asked.anything) END AS real) AS rank
      FROM search_documents d
      JOIN search_listings l ON l.id = d.event_id
     CROSS JOIN asked
     WHERE l.status = 'published'
       AND l.starts_at >= coalesce(CAST(:first AS timestamptz), now())
       AND l.starts_at < coalesce(CAST(:end AS timestamptz), 'infinity')
       AND (NOT :available OR NOT l.sold_out)
       AND (CAST(:latitude AS float8) IS NULL
            OR distance_km(l.latitude, l.longitude, CAST(:latitude AS float8), CAST(:longitude AS float8))
               <= CAST(:radius_km AS float8))
       AND CASE WHEN :near THEN (:artist = '' OR word_likeness(:artist, d.artist_words) >= :alike)
                            AND (:place = '' OR word_likeness(:place, d.place_words) >= :alike)
                            AND (:anything = '' OR word_likeness(:anything, d.all_words) >= :alike)
                ELSE (:artist_terms = '' OR d.artist_terms @@ asked.artist)
                 AND (:place_terms = '' OR d.place_terms @@ asked.place)
                 AND (:all_terms = '' OR d.all_terms @@ asked.anything) END
), found AS (
    SELECT id, starts_at, rank FROM fitting WHERE of_city AND of_genre AND of_month AND of_price
), page AS (
    SELECT * FROM found
     WHERE CAST(:after_rank AS real) IS NULL OR rank < CAST(:after_rank AS real)
        OR (rank = CAST(:after_rank AS real)
            AND (extract(epoch FROM starts_at) * 1000000, id)
                > (CAST(:after_starts_us AS bigint), CAST(:after_event_id AS bigint)))
     ORDER BY rank DESC, starts_at, id LIMIT :limit
), counted AS (
    SELECT 'city' AS facet, city AS value, count(*) AS count
      FROM fitting WHERE :facets AND of_genre AND of_month AND of_price GROUP BY city
    UNION ALL
    SELECT 'genre', genre, count(*)
      FROM fitting WHERE :facets AND of_city AND of_month AND of_price AND genre <> '' GROUP BY genre
    UNION ALL
    SELECT 'month', month, count(*)
      FROM fitting WHERE :facets AND of_city AND of_genre AND of_price GROUP BY month
    UNION ALL
    SELECT 'price', CAST(band.low AS text), count(*)
      FROM fitting
      JOIN unnest(CAST(:band_lows AS bigint[]), CAST(:band_highs AS bigint[])) AS band (low, high)
        ON price_max_minor >= band.low AND price_min_minor <= coalesce(band.high, price_min_minor)
     WHERE :facets AND of_city AND of_genre AND of_month GROUP BY band.low
)
SELECT l.*, page.rank, totals.total, totals.facets
  FROM (SELECT (SELECT count(*) FROM found) AS total,
               (SELECT json_agg(json_build_array(facet, value, count) ORDER BY count DESC, value) FROM counted) AS facets)
       AS totals
  LEFT JOIN page ON true
  LEFT JOIN search_listings l ON l.id = page.id
 ORDER BY page.rank DESC, page.starts_at, page.id
