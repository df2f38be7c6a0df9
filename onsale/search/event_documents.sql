-- What the index holds of these events. Raw: one round trip for a batch of documents, artists in the order of the poster.
SELECT e.id, e.name, e.slug, e.starts_at, e.on_sale_at, e.venue_name, e.city, e.country, e.region,
       e.latitude, e.longitude, e.artists, e.currency, p.price_min_minor, p.price_max_minor
  FROM event_pages e
 CROSS JOIN LATERAL (SELECT min(price_minor) AS price_min_minor, max(price_minor) AS price_max_minor
                       FROM sections s WHERE s.event_id = e.id) p
 WHERE e.id = ANY(:ids) AND e.status = 'published'
