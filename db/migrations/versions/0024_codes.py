"""Codes of an event: what each gives, who used it, what it took off which ticket; sections that only a code opens."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# What a code gives is never changed, or what it gave could not be checked: it is switched off, and another one made.
CODES = """
CREATE TABLE codes (
    event_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    code text NOT NULL,
    kind text NOT NULL,
    amount_minor bigint NOT NULL DEFAULT 0,
    percent_bp integer NOT NULL DEFAULT 0,
    presale_from timestamptz,
    section_ids integer[],
    stackable boolean NOT NULL DEFAULT false,
    uses_max integer,
    uses_per_buyer integer,
    valid_from timestamptz,
    valid_until timestamptz,
    note text NOT NULL DEFAULT '',
    off boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    CONSTRAINT pk_codes PRIMARY KEY (event_id, id),
    CONSTRAINT uq_codes_code UNIQUE (event_id, code),
    CONSTRAINT fk_codes_event FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_codes_gives CHECK (
        CASE kind WHEN 'amount' THEN amount_minor > 0 AND percent_bp = 0
                  WHEN 'percent' THEN percent_bp BETWEEN 1 AND 10000 AND amount_minor = 0
                  WHEN 'unlock' THEN amount_minor = 0 AND percent_bp = 0
                  WHEN 'early' THEN amount_minor = 0 AND percent_bp = 0 AND presale_from IS NOT NULL
                  ELSE false END),
    CONSTRAINT ck_codes_uses CHECK (uses_max > 0 AND uses_per_buyer > 0)
)"""

# One row for each hold that used a code, for ever. Whether it still counts is for the booking to say: nothing is
# counted down, so nothing can be forgotten.
CODE_USES = """
CREATE TABLE code_uses (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    code_id bigint NOT NULL,
    buyer_id uuid NOT NULL,
    discount_minor bigint NOT NULL,
    used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_code_uses PRIMARY KEY (event_id, booking_id, code_id),
    CONSTRAINT fk_code_uses_code FOREIGN KEY (event_id, code_id) REFERENCES codes (event_id, id),
    CONSTRAINT fk_code_uses_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id),
    CONSTRAINT ck_code_uses_discount_minor CHECK (discount_minor >= 0)
)"""
BY_CODE = "CREATE INDEX code_uses_by_code ON code_uses (event_id, code_id, buyer_id)"

# The uses that count: what was given back, by whatever way, has no tickets any more.
LIVE_USES = """
CREATE VIEW live_code_uses AS
SELECT u.* FROM code_uses u JOIN bookings b ON b.event_id = u.event_id AND b.id = u.booking_id
 WHERE b.tickets_taken > 0
   AND b.state IN ('held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed', 'refunding')"""

# Beside the ticket's price, which is what was charged for it: together they are what its section cost.
TICKET_DISCOUNTS = """
CREATE TABLE ticket_discounts (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    ticket_id bigint NOT NULL,
    discount_minor bigint NOT NULL,
    CONSTRAINT pk_ticket_discounts PRIMARY KEY (event_id, booking_id, ticket_id),
    CONSTRAINT fk_ticket_discounts_ticket
        FOREIGN KEY (event_id, booking_id, ticket_id) REFERENCES booking_tickets (event_id, booking_id, ticket_id),
    CONSTRAINT ck_ticket_discounts_discount_minor CHECK (discount_minor > 0)
)"""

# Both without a rewrite. In the booking's row, so that a lane which meets no code asks for none.
BOOKED_WITH = "ALTER TABLE bookings ADD COLUMN code_ids bigint[]"
CODE_ONLY = "ALTER TABLE events ADD COLUMN code_only_section_ids integer[] NOT NULL DEFAULT '{}'"

# As in 0022, with the sections: a view keeps the columns that its tables had when it was made.
EVENT_PAGES = """
CREATE VIEW event_pages AS
SELECT e.*, o.name AS organiser_name, v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       v.capacity,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists
  FROM events e JOIN organisers o ON o.id = e.organiser_id JOIN venues v ON v.id = e.venue_id"""


def upgrade() -> None:
    tables = (CODES, CODE_USES, BY_CODE, LIVE_USES, TICKET_DISCOUNTS)
    for statement in (*tables, BOOKED_WITH, CODE_ONLY, "DROP VIEW event_pages", EVENT_PAGES):
        op.execute(statement)
