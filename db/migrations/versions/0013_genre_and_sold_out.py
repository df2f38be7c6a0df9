"""What kind of show an event is, and whether it is sold out: what lists show and searches ask for."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Both with defaults that PostgreSQL keeps in its catalogue: no row is rewritten.
COLUMNS = """
ALTER TABLE events
    ADD COLUMN genre text NOT NULL DEFAULT '',
    ADD COLUMN sold_out boolean NOT NULL DEFAULT false"""

# `e.*` was written out when the view was made; the code that runs meanwhile names the columns it reads.
EVENT_PAGES = """
CREATE VIEW event_pages AS
SELECT e.*, o.name AS organiser_name, v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       v.capacity,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists
  FROM events e JOIN organisers o ON o.id = e.organiser_id JOIN venues v ON v.id = e.venue_id"""

# Prices and artists are subqueries of their columns: whoever does not read them does not pay for them.
SEARCH_LISTINGS = """
CREATE VIEW search_listings AS
SELECT e.id, e.name, e.slug, e.genre, e.starts_at, e.on_sale_at, e.sold_out, e.status,
       to_char(e.starts_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
       v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists,
       e.currency,
       (SELECT min(price_minor) FROM sections s WHERE s.event_id = e.id) AS price_min_minor,
       (SELECT max(price_minor) FROM sections s WHERE s.event_id = e.id) AS price_max_minor
  FROM events e
  JOIN venues v ON v.id = e.venue_id"""

# The haversine on a sphere of the Earth's mean radius; opposite ends are rounded beyond 1.
DISTANCE = """
CREATE FUNCTION distance_km(latitude float8, longitude float8, other_latitude float8, other_longitude float8)
RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 12742.0176 * asin(least(1, sqrt(
               sin(radians(latitude - other_latitude) / 2) ^ 2
               + cos(radians(latitude)) * cos(radians(other_latitude))
               * sin(radians(longitude - other_longitude) / 2) ^ 2)))
$$"""

# pg_trgm may be missing, and a statement that names its functions would not even be read then: bound when called.
LIKENESS = """
CREATE FUNCTION word_likeness(words text, among text) RETURNS real LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN word_similarity(words, among);
END $$"""

REFRESH = """
CREATE OR REPLACE FUNCTION search_document_is_fresh(wanted bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO search_documents
    SELECT w.id, w.artist_words, w.place_words, w.all_words,
           to_tsvector('simple', w.artist_words), to_tsvector('simple', w.place_words),
           setweight(to_tsvector('simple', w.name_words || ' ' || w.artist_words), 'A')
               || setweight(to_tsvector('simple', w.place_words || ' ' || w.genre_words), 'B')
      FROM (SELECT e.id, plain_words(e.name) AS name_words, a.words AS artist_words, p.words AS place_words,
                   plain_words(e.genre) AS genre_words,
                   concat_ws(' ', plain_words(e.name), a.words, p.words, nullif(plain_words(e.genre), '')) AS all_words
              FROM events e JOIN venues v ON v.id = e.venue_id
             CROSS JOIN LATERAL (SELECT plain_words(concat_ws(' ', v.name, v.city, v.country, v.region)) AS words) p
             CROSS JOIN LATERAL (
                 SELECT plain_words(coalesce(string_agg(artists.name, ' ' ORDER BY ea.position), '')) AS words
                                   FROM event_artists ea JOIN artists ON artists.id = ea.artist_id
                                  WHERE ea.event_id = e.id) a
             WHERE e.id = wanted) w
    ON CONFLICT (event_id) DO UPDATE SET
        artist_words = excluded.artist_words, place_words = excluded.place_words, all_words = excluded.all_words,
        artist_terms = excluded.artist_terms, place_terms = excluded.place_terms, all_terms = excluded.all_terms
$$"""
ON_CHANGE = """
CREATE OR REPLACE TRIGGER search_is_told AFTER INSERT OR UPDATE OF name, genre, venue_id ON events
FOR EACH ROW EXECUTE FUNCTION search_is_told()"""


VIEWS = ("DROP VIEW event_pages", EVENT_PAGES, SEARCH_LISTINGS)


def upgrade() -> None:
    for statement in (COLUMNS, *VIEWS, DISTANCE, LIKENESS, REFRESH, ON_CHANGE):
        op.execute(statement)
