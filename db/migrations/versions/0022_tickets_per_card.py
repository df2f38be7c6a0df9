"""How many tickets of an event one card may pay for, and which card each attempt was made with."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# NULL: no limit. A default that is a constant is not written into the rows, so the table is locked for a moment only.
LIMIT = "ALTER TABLE events ADD COLUMN tickets_per_card integer"
LIMIT_IS_POSITIVE = """
ALTER TABLE events ADD CONSTRAINT ck_events_tickets_per_card CHECK (tickets_per_card > 0) NOT VALID"""
LIMIT_WAS_POSITIVE = "ALTER TABLE events VALIDATE CONSTRAINT ck_events_tickets_per_card"
CARD = "ALTER TABLE payment_attempts ADD COLUMN card_fingerprint text"
# Empty where no event has a limit: the card is asked for only then.
CARDS = """
CREATE INDEX payment_attempt_cards ON payment_attempts (event_id, card_fingerprint)
    WHERE card_fingerprint IS NOT NULL"""

# As in 0020, with the limit: a view keeps the columns that its tables had when it was made.
EVENT_PAGES = """
CREATE VIEW event_pages AS
SELECT e.*, o.name AS organiser_name, v.name AS venue_name, v.city, v.country, v.region, v.latitude, v.longitude,
       v.capacity,
       ARRAY(SELECT a.name FROM event_artists ea JOIN artists a ON a.id = ea.artist_id
              WHERE ea.event_id = e.id ORDER BY ea.position) AS artists
  FROM events e JOIN organisers o ON o.id = e.organiser_id JOIN venues v ON v.id = e.venue_id"""


def upgrade() -> None:
    for statement in (LIMIT, LIMIT_IS_POSITIVE, LIMIT_WAS_POSITIVE, CARD, CARDS, "DROP VIEW event_pages", EVENT_PAGES):
        op.execute(statement)
