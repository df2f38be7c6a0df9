"""What a search looks through: one line of words per event, kept up to date by triggers."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Lower case without accents, in any locale: the laptop's PostgreSQL has no ICU, and `unaccent` may be missing.
PLAIN_WORDS = """
CREATE FUNCTION plain_words(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(lower(value),
        'àáâãäåāăąçćčďèéêëēěęìíîïīłñńňòóôõöøōřśšťùúûüūůýÿžźżÀÁÂÃÄÅÇČÈÉÊËÌÍÎÏÑÒÓÔÕÖØŘŠÙÚÛÜÝŽ',
        'aaaaaaaaacccdeeeeeeeiiiiilnnnooooooorsstuuuuuuyyzzzaaaaaacceeeeiiiinoooooorsuuuuyz')
$$"""

SEARCH_DOCUMENTS = """
CREATE TABLE search_documents (
    event_id bigint NOT NULL,
    artist_words text NOT NULL,
    place_words text NOT NULL,
    all_words text NOT NULL,
    artist_terms tsvector NOT NULL,
    place_terms tsvector NOT NULL,
    all_terms tsvector NOT NULL,
    CONSTRAINT pk_search_documents PRIMARY KEY (event_id),
    CONSTRAINT fk_search_documents_event_id_events FOREIGN KEY (event_id) REFERENCES events (id) ON DELETE CASCADE
)"""
SEARCH_DOCUMENTS_TERMS = """
CREATE INDEX search_documents_terms ON search_documents USING gin (artist_terms, place_terms, all_terms)"""

REFRESH = """
CREATE FUNCTION search_document_is_fresh(wanted bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO search_documents
    SELECT w.id, w.artist_words, w.place_words, w.all_words,
           to_tsvector('simple', w.artist_words), to_tsvector('simple', w.place_words),
           setweight(to_tsvector('simple', w.name_words || ' ' || w.artist_words), 'A')
               || setweight(to_tsvector('simple', w.place_words), 'B')
      FROM (SELECT e.id, plain_words(e.name) AS name_words, a.words AS artist_words, p.words AS place_words,
                   plain_words(e.name) || ' ' || a.words || ' ' || p.words AS all_words
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
CREATE FUNCTION search_is_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'events' THEN
        PERFORM search_document_is_fresh(NEW.id);
    ELSIF TG_TABLE_NAME = 'event_artists' THEN
        PERFORM search_document_is_fresh(coalesce(NEW.event_id, OLD.event_id));
    ELSIF TG_TABLE_NAME = 'venues' THEN
        PERFORM search_document_is_fresh(id) FROM events WHERE venue_id = NEW.id;
    ELSE
        PERFORM search_document_is_fresh(event_id) FROM event_artists WHERE artist_id = NEW.id;
    END IF;
    RETURN NULL;
END $$"""

TRIGGERS = (
    "CREATE TRIGGER search_is_told AFTER INSERT OR UPDATE OF name, venue_id ON events "
    "FOR EACH ROW EXECUTE FUNCTION search_is_told()",
    "CREATE TRIGGER search_is_told AFTER INSERT OR UPDATE OR DELETE ON event_artists "
    "FOR EACH ROW EXECUTE FUNCTION search_is_told()",
    "CREATE TRIGGER search_is_told AFTER UPDATE OF name, city, country, region ON venues "
    "FOR EACH ROW EXECUTE FUNCTION search_is_told()",
    "CREATE TRIGGER search_is_told AFTER UPDATE OF name ON artists FOR EACH ROW EXECUTE FUNCTION search_is_told()",
)

# Near misses need pg_trgm. Where it is missing, or may not be created, search finds beginnings of words only.
TRIGRAMS = """
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX search_documents_trigrams ON search_documents USING gin (all_words gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'search without pg_trgm: %', SQLERRM;
END $$"""


def upgrade() -> None:
    for statement in (PLAIN_WORDS, SEARCH_DOCUMENTS, SEARCH_DOCUMENTS_TERMS, REFRESH, ON_CHANGE, *TRIGGERS, TRIGRAMS):
        op.execute(statement)
