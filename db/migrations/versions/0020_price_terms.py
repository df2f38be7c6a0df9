"""Fees and tax of an event, what a booking paid of them, and which prices changed when."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# All with defaults that PostgreSQL keeps in its catalogue: no row is rewritten, and code that knows none of them writes
# bookings that bear no fee and no tax, which is what it charges.
EVENTS = "ALTER TABLE events ADD COLUMN price_terms jsonb NOT NULL DEFAULT '{}'"
# The terms by which a booking was priced stay with it: what an event asks later changes no bill.
BOOKINGS = """
ALTER TABLE bookings
    ADD COLUMN fees_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN taxes_minor bigint NOT NULL DEFAULT 0,
    ADD COLUMN price_terms jsonb"""
# A tax within a fee is a part of both. In two steps, since bookings come in meanwhile: the second reads the whole table
# and keeps nobody from writing to it.
PARTS = """
ALTER TABLE bookings
    ADD CONSTRAINT ck_bookings_parts CHECK (
        fees_minor BETWEEN 0 AND coalesce(amount_minor, 0) AND taxes_minor BETWEEN 0 AND coalesce(amount_minor, 0)
        AND (price_terms IS NOT NULL OR fees_minor + taxes_minor = 0)) NOT VALID"""
VALIDATE_PARTS = "ALTER TABLE bookings VALIDATE CONSTRAINT ck_bookings_parts"

# Append-only, a row for each change. xid: whether a lane's batch could see it (its bookings keep their snapshot).
PRICE_CHANGES = """
CREATE TABLE price_changes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_id bigint NOT NULL,
    section_id integer NOT NULL,
    was_minor bigint NOT NULL,
    now_minor bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT pk_price_changes PRIMARY KEY (id),
    CONSTRAINT fk_price_changes_section FOREIGN KEY (event_id, section_id) REFERENCES sections (event_id, id)
)"""
BY_SECTION = "CREATE INDEX price_changes_by_section ON price_changes (event_id, section_id, id)"
# The counter tells lanes that what they have in memory of the section is old; counters are locked in order, as they do.
PRICE_IS_CHANGED = """
CREATE FUNCTION price_is_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO price_changes (event_id, section_id, was_minor, now_minor)
    SELECT stale.event_id, stale.id, stale.price_minor, fresh.price_minor
      FROM stale JOIN fresh ON fresh.event_id = stale.event_id AND fresh.id = stale.id
     WHERE fresh.price_minor <> stale.price_minor ORDER BY stale.event_id, stale.id;
    PERFORM FROM section_changes c JOIN fresh ON fresh.event_id = c.event_id AND fresh.id = c.section_id
      ORDER BY c.event_id, c.section_id FOR UPDATE OF c;
    UPDATE section_changes c SET changes = c.changes + 1
      FROM stale JOIN fresh ON fresh.event_id = stale.event_id AND fresh.id = stale.id
     WHERE c.event_id = stale.event_id AND c.section_id = stale.id AND fresh.price_minor <> stale.price_minor;
    RETURN NULL;
END $$"""
ON_PRICE = """
CREATE TRIGGER price_is_changed AFTER UPDATE ON sections
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION price_is_changed()"""

# What db/price_terms.py says of one ticket booked alone, for searches and lists; a test holds the two together.
SHARE = """
CREATE FUNCTION share_minor(amount bigint, part bigint, whole bigint, unit bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (2 * amount * part + whole * unit) / (2 * whole * unit) * unit
$$"""
FULL_PRICE = """
CREATE FUNCTION full_price_minor(price bigint, terms jsonb) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    unit bigint;
    fee bigint;
    booking_fee bigint;
    tax_bp bigint;
    ticket bigint := price;
BEGIN
    IF price = 0 OR terms = '{}' THEN
        RETURN price;
    END IF;
    unit := terms['unit_minor'];
    booking_fee := terms['booking_fee_minor'];
    tax_bp := terms['tax_bp'];
    fee := CAST(terms['ticket_fee_minor'] AS bigint)
           + share_minor(price, CAST(terms['ticket_fee_bp'] AS bigint), 10000, unit);
    IF CAST(terms['ticket_fee_included'] AS boolean) THEN
        fee := least(fee, price);
        ticket := price - fee;
    END IF;
    IF CAST(terms['tax_included'] AS boolean) THEN
        RETURN ticket + fee + booking_fee;
    END IF;
    IF CAST(terms['fees_taxed'] AS boolean) THEN
        RETURN ticket + fee + share_minor(ticket + fee, tax_bp, 10000, unit)
               + booking_fee + share_minor(booking_fee, tax_bp, 10000, unit);
    END IF;
    RETURN ticket + fee + share_minor(ticket, tax_bp, 10000, unit) + booking_fee;
END $$"""

# As in 0013 and 0011, with the full prices. A search looks at every event: most ask for nothing, and a call costs.
EVENT_PAGES = """
CREATE VIEW event_pages AS
SELECT e.*, o.name AS organiser_name, v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       v.capacity,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists
  FROM events e JOIN organisers o ON o.id = e.organiser_id JOIN venues v ON v.id = e.venue_id"""
SEARCH_LISTINGS = """
CREATE OR REPLACE VIEW search_listings AS
SELECT e.id, e.name, e.slug, e.genre, e.starts_at, e.on_sale_at, e.sold_out, e.status,
       to_char(e.starts_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
       v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists,
       e.currency,
       CASE WHEN e.price_terms = '{}' THEN (SELECT min(price_minor) FROM sections s WHERE s.event_id = e.id)
            ELSE full_price_minor((SELECT min(price_minor) FROM sections s WHERE s.event_id = e.id), e.price_terms)
            END AS price_min_minor,
       CASE WHEN e.price_terms = '{}' THEN (SELECT max(price_minor) FROM sections s WHERE s.event_id = e.id)
            ELSE full_price_minor((SELECT max(price_minor) FROM sections s WHERE s.event_id = e.id), e.price_terms)
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
 CROSS JOIN LATERAL (SELECT min(price_minor) AS price_min_minor, max(price_minor) AS price_max_minor
                       FROM sections s WHERE s.event_id = e.id) p"""

TABLES = (EVENTS, BOOKINGS, PARTS, PRICE_CHANGES, BY_SECTION, PRICE_IS_CHANGED, ON_PRICE)
VIEWS = (SHARE, FULL_PRICE, "DROP VIEW event_pages", EVENT_PAGES, SEARCH_LISTINGS, EVENT_LISTINGS)


def upgrade() -> None:
    for statement in (*TABLES, *VIEWS):
        op.execute(statement)
    with op.get_context().autocommit_block():
        op.execute(VALIDATE_PARTS)
