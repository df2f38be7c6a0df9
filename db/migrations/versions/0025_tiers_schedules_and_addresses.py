"""Price tiers of a section, changes of prices that are to come, and how many tickets one network address may have."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Defaults that are constants are not written into the rows, so each table is locked for a moment only.
# A list in the organiser's order, of {name, price_minor, most}; what a section costs is what its first tier costs, so
# code that knows no tiers sells that one.
TIERS = "ALTER TABLE sections ADD COLUMN tiers jsonb NOT NULL DEFAULT '[]'"
FIRST_TIER = """
ALTER TABLE sections ADD CONSTRAINT ck_sections_tiers CHECK (
    tiers = '[]' OR CAST(tiers -> 0 ->> 'price_minor' AS bigint) = price_minor) NOT VALID"""
FIRST_TIER_VALID = "ALTER TABLE sections VALIDATE CONSTRAINT ck_sections_tiers"
# By its name: what was sold keeps its word when the organiser's list has another one.
SOLD_TIER = "ALTER TABLE booking_tickets ADD COLUMN tier text"

# NULL: no limit, and no booking is written down with an address.
LIMIT = "ALTER TABLE events ADD COLUMN tickets_per_address integer"
LIMIT_IS_POSITIVE = """
ALTER TABLE events ADD CONSTRAINT ck_events_tickets_per_address CHECK (tickets_per_address > 0) NOT VALID"""
LIMIT_WAS_POSITIVE = "ALTER TABLE events VALIDATE CONSTRAINT ck_events_tickets_per_address"
ADDRESS = "ALTER TABLE bookings ADD COLUMN address_digest bytea"
# Not CONCURRENTLY, as in 0014. No row is in it yet: one reading of the table, 0.1 s a million bookings.
OF_ADDRESS = """
CREATE INDEX bookings_of_address ON bookings (event_id, address_digest) WHERE address_digest IS NOT NULL"""

# A change of a tier's price is a line of its own; NULL: the tier was not sold before, or is not any more.
TIER_CHANGES = """
ALTER TABLE price_changes
    ADD COLUMN tier text, ALTER COLUMN was_minor DROP NOT NULL, ALTER COLUMN now_minor DROP NOT NULL"""
PRICE_IS_CHANGED = """
CREATE OR REPLACE FUNCTION price_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price_changes (event_id, section_id, was_minor, now_minor)
    SELECT stale.event_id, stale.id, stale.price_minor, fresh.price_minor
      FROM stale JOIN fresh ON fresh.event_id = stale.event_id AND fresh.id = stale.id
     WHERE fresh.price_minor <> stale.price_minor ORDER BY stale.event_id, stale.id;
    INSERT INTO price_changes (event_id, section_id, tier, was_minor, now_minor)
    SELECT event_id, id, name, was.price, now.price
      FROM (SELECT event_id, id, t ->> 'name' AS name, CAST(t ->> 'price_minor' AS bigint) AS price
              FROM stale, jsonb_array_elements(tiers) t) was
      FULL JOIN
           (SELECT event_id, id, t ->> 'name' AS name, CAST(t ->> 'price_minor' AS bigint) AS price
              FROM fresh, jsonb_array_elements(tiers) t) now USING (event_id, id, name)
     WHERE was.price IS DISTINCT FROM now.price ORDER BY event_id, id, name;
    PERFORM FROM section_changes c JOIN fresh ON fresh.event_id = c.event_id AND fresh.id = c.section_id
      ORDER BY c.event_id, c.section_id FOR UPDATE OF c;
    UPDATE section_changes c SET changes = c.changes + 1
      FROM stale JOIN fresh ON fresh.event_id = stale.event_id AND fresh.id = stale.id
     WHERE c.event_id = stale.event_id AND c.section_id = stale.id
       AND (fresh.price_minor, fresh.tiers) <> (stale.price_minor, stale.tiers);
    RETURN NULL;
END $$"""

# One row for each price that will be another one at a time: tier NULL is the section's, which has no tiers then.
SCHEDULED = """
CREATE TABLE scheduled_prices (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_id bigint NOT NULL,
    section_id integer NOT NULL,
    tier text,
    price_minor bigint NOT NULL,
    due_at timestamptz NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text,
    CONSTRAINT pk_scheduled_prices PRIMARY KEY (id),
    CONSTRAINT fk_scheduled_prices_section FOREIGN KEY (event_id, section_id) REFERENCES sections (event_id, id),
    CONSTRAINT ck_scheduled_prices_outcome CHECK (
        (outcome IS NULL) = (ended_at IS NULL) AND outcome IN ('applied', 'cancelled', 'not_sold'))
)"""
# Two prices for one thing at one moment would leave it to chance which of them counts.
ONE_AT_A_TIME = """
CREATE UNIQUE INDEX scheduled_price_index ON scheduled_prices (event_id, section_id, coalesce(tier, ''), due_at)
    WHERE ended_at IS NULL"""
# The lane asks with each batch whether one is due; the sweep asks for all events.
OF_EVENT = "CREATE INDEX scheduled_prices_of_event ON scheduled_prices (event_id, due_at) WHERE ended_at IS NULL"
DUE = "CREATE INDEX scheduled_prices_due ON scheduled_prices (due_at) WHERE ended_at IS NULL"

LOWEST = """
CREATE FUNCTION lowest_minor(price bigint, tiers jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN tiers = '[]' THEN price
                ELSE (SELECT min(CAST(t ->> 'price_minor' AS bigint)) FROM jsonb_array_elements(tiers) t) END
$$"""
HIGHEST = """
CREATE FUNCTION highest_minor(price bigint, tiers jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN tiers = '[]' THEN price
                ELSE (SELECT max(CAST(t ->> 'price_minor' AS bigint)) FROM jsonb_array_elements(tiers) t) END
$$"""

# As in 0022, with the limit: a view keeps the columns that its tables had when it was made.
EVENT_PAGES = """
CREATE VIEW event_pages AS
SELECT e.*, o.name AS organiser_name, v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       v.capacity,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists
  FROM events e JOIN organisers o ON o.id = e.organiser_id JOIN venues v ON v.id = e.venue_id"""
# As in 0020, from the cheapest tier to the dearest.
SEARCH_LISTINGS = """
CREATE OR REPLACE VIEW search_listings AS
SELECT e.id, e.name, e.slug, e.genre, e.starts_at, e.on_sale_at, e.sold_out, e.status,
       to_char(e.starts_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
       v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists,
       e.currency,
       CASE WHEN e.price_terms = '{}'
            THEN (SELECT min(lowest_minor(price_minor, tiers)) FROM sections s WHERE s.event_id = e.id)
            ELSE full_price_minor((SELECT min(lowest_minor(price_minor, tiers)) FROM sections s
                                    WHERE s.event_id = e.id), e.price_terms)
            END AS price_min_minor,
       CASE WHEN e.price_terms = '{}'
            THEN (SELECT max(highest_minor(price_minor, tiers)) FROM sections s WHERE s.event_id = e.id)
            ELSE full_price_minor((SELECT max(highest_minor(price_minor, tiers)) FROM sections s
                                    WHERE s.event_id = e.id), e.price_terms)
            END AS price_max_minor
  FROM events e
  JOIN venues v ON v.id = e.venue_id"""
EVENT_LISTINGS = """
CREATE OR REPLACE VIEW event_listings AS
SELECT e.id, e.name, e.slug, e.starts_at, e.on_sale_at, v.name AS venue_name, v.city, v.country,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists,
       e.currency,
       full_price_minor(p.price_min_minor, e.price_terms) AS price_min_minor,
       full_price_minor(p.price_max_minor, e.price_terms) AS price_max_minor
  FROM events e
  JOIN venues v ON v.id = e.venue_id
 CROSS JOIN LATERAL (SELECT min(lowest_minor(price_minor, tiers)) AS price_min_minor,
                            max(highest_minor(price_minor, tiers)) AS price_max_minor
                       FROM sections s WHERE s.event_id = e.id) p"""

TIERED = (TIERS, FIRST_TIER, FIRST_TIER_VALID, SOLD_TIER)
LIMITED = (LIMIT, LIMIT_IS_POSITIVE, LIMIT_WAS_POSITIVE, ADDRESS, OF_ADDRESS)
PRICES = (TIER_CHANGES, PRICE_IS_CHANGED, SCHEDULED, ONE_AT_A_TIME, OF_EVENT, DUE)
VIEWS = (LOWEST, HIGHEST, "DROP VIEW event_pages", EVENT_PAGES, SEARCH_LISTINGS, EVENT_LISTINGS)


def upgrade() -> None:
    for statement in (*TIERED, *LIMITED, *PRICES, *VIEWS):
        op.execute(statement)
