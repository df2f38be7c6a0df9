"""Codes that count more in a draw, who joined with one, and prices in lists without what only a code opens."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# How often its holder's entry is drawn; the best counts. PostgreSQL keeps the default in its catalogue: no rewrite.
WEIGHT = "ALTER TABLE codes ADD COLUMN weight integer NOT NULL DEFAULT 1"
# As in 0024, with the new kind. How many may use it is published, so it has to be known.
NO_GIVES = "ALTER TABLE codes DROP CONSTRAINT ck_codes_gives"
GIVES = """
ALTER TABLE codes ADD CONSTRAINT ck_codes_gives CHECK (
    CASE kind WHEN 'amount' THEN amount_minor > 0 AND percent_bp = 0
              WHEN 'percent' THEN percent_bp BETWEEN 1 AND 10000 AND amount_minor = 0
              WHEN 'unlock' THEN amount_minor = 0 AND percent_bp = 0
              WHEN 'early' THEN amount_minor = 0 AND percent_bp = 0 AND presale_from IS NOT NULL
              WHEN 'priority' THEN amount_minor = 0 AND percent_bp = 0 AND uses_max IS NOT NULL
              ELSE false END) NOT VALID"""
COUNTS = """
ALTER TABLE codes ADD CONSTRAINT ck_codes_weight CHECK (
    CASE kind WHEN 'priority' THEN weight BETWEEN 2 AND 100 ELSE weight = 1 END) NOT VALID"""
VALIDATE = "ALTER TABLE codes VALIDATE CONSTRAINT ck_codes_gives, VALIDATE CONSTRAINT ck_codes_weight"

# What is published of an event's draw: each weight, and how many people at most may have it.
DRAW_WEIGHTS = """
CREATE TABLE draw_weights (
    event_id bigint NOT NULL,
    weight integer NOT NULL,
    people_max bigint NOT NULL,
    CONSTRAINT pk_draw_weights PRIMARY KEY (event_id, weight),
    CONSTRAINT fk_draw_weights_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_draw_weights_weight CHECK (weight BETWEEN 2 AND 100 AND people_max > 0)
)"""

# Who joined with such a code. Written before the queue gives the numbers, so that a code is never used twice too
# often; `first_number` is the first of as many in a row, once they were given.
DRAW_LOTS = """
CREATE TABLE draw_lots (
    event_id bigint NOT NULL,
    buyer_id uuid NOT NULL,
    code_id bigint NOT NULL,
    weight integer NOT NULL,
    first_number bigint,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_draw_lots PRIMARY KEY (event_id, buyer_id),
    CONSTRAINT uq_draw_lots_first_number UNIQUE (event_id, first_number),
    CONSTRAINT fk_draw_lots_code FOREIGN KEY (event_id, code_id) REFERENCES codes (event_id, id),
    CONSTRAINT ck_draw_lots_weight CHECK (weight BETWEEN 2 AND 100)
)"""
BY_CODE = "CREATE INDEX draw_lots_by_code ON draw_lots (event_id, code_id)"

# As in 0025, of the sections that anybody can buy.
SEARCH_LISTINGS = """
CREATE OR REPLACE VIEW search_listings AS
SELECT e.id, e.name, e.slug, e.genre, e.starts_at, e.on_sale_at, e.sold_out, e.status,
       to_char(e.starts_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
       v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists,
       e.currency,
       CASE WHEN e.price_terms = '{}'
            THEN (SELECT min(lowest_minor(price_minor, tiers)) FROM sections s
                   WHERE s.event_id = e.id AND s.id <> ALL (e.code_only_section_ids))
            ELSE full_price_minor((SELECT min(lowest_minor(price_minor, tiers)) FROM sections s
                                    WHERE s.event_id = e.id AND s.id <> ALL (e.code_only_section_ids)), e.price_terms)
            END AS price_min_minor,
       CASE WHEN e.price_terms = '{}'
            THEN (SELECT max(highest_minor(price_minor, tiers)) FROM sections s
                   WHERE s.event_id = e.id AND s.id <> ALL (e.code_only_section_ids))
            ELSE full_price_minor((SELECT max(highest_minor(price_minor, tiers)) FROM sections s
                                    WHERE s.event_id = e.id AND s.id <> ALL (e.code_only_section_ids)), e.price_terms)
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
                       FROM sections s WHERE s.event_id = e.id AND s.id <> ALL (e.code_only_section_ids)) p"""


def upgrade() -> None:
    tables = (WEIGHT, NO_GIVES, GIVES, COUNTS, DRAW_WEIGHTS, DRAW_LOTS, BY_CODE)
    for statement in (*tables, SEARCH_LISTINGS, EVENT_LISTINGS):
        op.execute(statement)
    with op.get_context().autocommit_block():
        op.execute(VALIDATE)
