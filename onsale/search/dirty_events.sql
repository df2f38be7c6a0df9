-- The events whose documents are made of these venues and artists. Raw: both ways in one round trip.
SELECT id FROM events WHERE venue_id = ANY(:venues)
UNION
SELECT event_id FROM event_artists WHERE artist_id = ANY(:artists)
